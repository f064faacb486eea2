"""Path planning: at every step the least sure positions are masked, revealed ones among them."""

import dataclasses

import keras
from keras import ops

from md4keras.checks import Interval, check_number
from md4keras.samplers.confidence import with_chance
from md4keras.samplers.ordered import lowest, planned_calls, planned_masks, reveals_nothing
from md4keras.samplers.sampler import Sampler


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class PathPlanning(Sampler):
    """Draws a candidate at every masked position, and then masks those that score lowest.

    After a step to time `s` `round(N (1 - alpha(s)))` of the `N` positions to be filled are masked,
    as the schedule expects: of all, whether they were masked before or revealed, those of the
    lowest scores. A masked position scores `log mu` of its candidate; a revealed one `eta` times
    `log mu` of its token, from the same network call (P2 with the network as its own planner).
    Given tokens stay. (Scores within the same 2**-12 count as equal, and chance chooses.)

    What the network says at a revealed position it sees there, and was not trained to say: its
    confidence in that token is no conditional probability. An exact denoiser is sure of it, so that
    nothing is masked again. Samples do not follow the model's distribution: those that it finds
    likely are kept.

    Reference: Peng et al. 2025, *Path Planning for Masked Diffusion Model Sampling*
    (arXiv 2502.03540), Algorithm 1.

    Args:
        filters: see `Sampler`. Scores are the model's own, before temperature and filters.
        eta: float, at least 0: how readily revealed tokens are masked again; 0 keeps all.

    Example:

    >>> sampler = md4keras.samplers.PathPlanning(eta=2.0)
    >>> model.generate(2, sampler=sampler, num_steps=4).shape
    (2, 8)
    """

    remembers = True  # what was given

    eta: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        mend = "0 never masks a token again; 1 weighs old and new alike."
        check_number("eta", self.eta, Interval(), mend)

    def step_probabilities(self, logits, zt, s, t, schedule):
        """Raises a `ValueError`: which positions are masked depends on the candidates drawn."""
        raise ValueError(
            "The positions of a step depend on each other, and on the candidates that are drawn. "
            f"Expected a sampler that draws each on its own. Received: {self}. "
            "Take 'ancestral', 'psi' or 'remasking'."
        )

    def is_idle(self, masked, s, schedule, given):
        if self.eta:  # masks may move, unless there are none
            return ~ops.any(masked) & (ops.max(planned_masks(masked, s, schedule, given)) == 0)
        return reveals_nothing(masked, s, schedule, given)

    def most_calls(self, left, num_steps, fractions=None):
        if self.eta:
            return super().most_calls(left, num_steps)
        return planned_calls(left, num_steps, fractions)

    def step(self, logits, zt, s, t, schedule, noise, memory):
        mask_token = logits.shape[-1]
        masked = ops.equal(zt, mask_token)
        tokens = ops.where(masked, self.draw(logits, noise), zt)
        log_mu = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        known = ops.expand_dims(ops.clip(tokens, 0, mask_token - 1), -1)
        score = ops.maximum(ops.take_along_axis(log_mu, known, axis=-1)[..., 0], -1e30)
        kept = self.eta * score if self.eta else 1.0  # above all candidates
        score = with_chance(ops.where(masked, score, kept), noise[0])
        hidden = lowest(score, memory.given, planned_masks(zt, s, schedule, memory.given))
        return ops.where(hidden, ops.full_like(zt, mask_token), tokens), memory.remembered
