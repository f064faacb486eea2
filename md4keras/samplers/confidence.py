"""Confidence-ordered sampling: a planned number of tokens per step, the surest first."""

import dataclasses

import keras
from keras import ops

from md4keras.checks import Interval, check_name, check_number
from md4keras.forward_process import expand_like
from md4keras.samplers.ordered import Planned

_TIE = 2.0**-12  # scores in one interval of this width count as equal


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Confidence(Planned):
    """Reveals, at each step, the positions of which the network is surest.

    After a step to time `s` at most `round(N (1 - alpha(s)))` of the `N` positions to be filled
    are masked, as the schedule expects. Tokens are drawn from `mu`. Which positions are revealed
    no longer depends on chance alone, so samples do not follow the model's distribution: they are
    likelier and less varied. (Scores within the same 2**-12 count as equal; see `ties`.)

    Two things differ from MaskGIT: what is scored is the network's distribution rather than the
    token drawn from it, and the probability's score is its log-odds rather than its logarithm
    (the order without noise is that of the highest probability).

    Reference: Chang et al. 2022, *MaskGIT*, Section 3.2; the margin is that of Kim et al. 2025
    (arXiv 2502.06768).

    Args:
        filters: see `Sampler`.
        rule: what counts as sure, before temperature and filters: a high `"probability"` of the
            likeliest token (its log-odds), a high `"margin"` between the two likeliest, or a low
            `"entropy"` (nats).
        noise_temperature: float, times `t`, times Gumbel noise is added to the score; 0 for none.
        ties: `"chance"`, or `"first"`: of equally sure positions the first in the example; then,
            without noise, `model.score(x, sampler=...)` is the likelihood of what is drawn.

    Example:

    >>> sampler, schedule = md4keras.samplers.Confidence(ties="first"), md4keras.schedules.Linear()
    >>> logits, zt = np.log([[[0.6, 0.4], [0.1, 0.9]]]), np.array([[2, 2]])
    >>> print(np.asarray(sampler.step_probabilities(logits, zt, 0.5, 1.0, schedule)).round(2))
    [[[0. 0. 1. ]
      [0.1 0.9 0. ]]]
    """

    rule: str = "probability"
    noise_temperature: float = 0.0
    ties: str = "chance"

    def __post_init__(self):
        super().__post_init__()
        check_name("rule", self.rule, RULES, "It says what counts as sure.")
        check_number("noise_temperature", self.noise_temperature, Interval())

    @property
    def by_state(self) -> bool:
        return not self.noise_temperature

    def score(self, logits, zt, t, uniforms):
        score = RULES[self.rule](ops.cast(logits, "float32"))
        if self.noise_temperature:
            gumbel = -ops.log(-ops.log(ops.clip(uniforms, 2.0**-25, 1.0 - 2.0**-24)))
            score = score + self.noise_temperature * expand_like(t, zt) * gumbel
        if uniforms is not None and self.ties == "chance":
            return with_chance(score, uniforms)
        return without_rounding(score)


def without_rounding(score):
    """Scores of which those in one interval are equal, so that no rounding error decides.

    (Where all is masked, positions are often alike.)
    """
    return ops.floor(score / _TIE) * _TIE


def with_chance(score, uniforms):
    """Scores `without_rounding`, of which equal ones are told apart by uniforms in `[0, 1)`."""
    return without_rounding(score) + _TIE * uniforms


def _log_odds(logits):
    """Of the likeliest token; unlike its logarithm, this does not saturate."""
    best = ops.one_hot(ops.argmax(logits, axis=-1), logits.shape[-1], dtype="bool")
    others = ops.logsumexp(ops.where(best, -1e30, logits), axis=-1)
    return ops.max(logits, axis=-1) - others


def _margin(logits):
    """Between the probabilities of the two likeliest tokens."""
    log_mu = ops.log_softmax(logits, axis=-1)
    largest = ops.exp(ops.top_k(log_mu, min(2, logits.shape[-1]))[0])
    return largest[..., 0] - largest[..., -1]


def _negative_entropy(logits):
    """`sum_v mu_v log mu_v`, nats."""
    log_mu = ops.log_softmax(logits, axis=-1)
    return ops.sum(ops.exp(log_mu) * ops.maximum(log_mu, -1e30), axis=-1)


RULES = {"probability": _log_odds, "margin": _margin, "entropy": _negative_entropy}
"""How sure the network is of each position: logits `[..., V]` to `[...]`."""
