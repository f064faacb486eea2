"""Remasking sampling: what was revealed may be masked again, so that mistakes can be mended."""

import dataclasses

import keras
from keras import ops

from md4keras.checks import Interval, check_has, check_name, check_number
from md4keras.forward_process import expand_like
from md4keras.samplers.sampler import Configured, Sampler, check_scalar_schedule
from md4keras.samplers.states import Memory


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Rescale(Configured):
    """`sigma = eta sigma_max`; what the other rules have to offer too.

    Args:
        eta: float in `[0, 1]`.

    Example:

    >>> md4keras.samplers.Rescale(0.5).masked_sigma(0.4)
    0.2
    """

    eta: float = 0.02

    def __post_init__(self):
        check_number("eta", self.eta, Interval(0, 1))

    def masked_sigma(self, largest):
        """The `sigma` by which a masked position is revealed more often, like `largest`.

        Args:
            largest: float32 tensor `[B, 1, ...]`, `sigma_max`.
        """
        return self.eta * largest

    def revealed_sigma(self, largest, may_go, remembered):
        """The probability to mask a revealed position; broadcasts against the state.

        Args:
            largest: float32 tensor `[B, 1, ...]`, `sigma_max`.
            may_go: bool tensor `[B, *data_shape]`, what is revealed and was not given.
            remembered: float32 tensor `[B, *data_shape]`, the probability that the model itself
                gave each token when it was revealed.
        """
        return self.masked_sigma(largest)


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Cap(Rescale):
    """`sigma = min(eta, sigma_max)`.

    Example:

    >>> float(md4keras.samplers.Cap(0.25).masked_sigma(0.4))
    0.25
    """

    def masked_sigma(self, largest):
        return ops.minimum(self.eta, largest)


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class ByConfidence(Rescale):
    """`sigma_max` times the softmax, over a row's revealed positions, of minus what is remembered.

    Masked positions have `sigma = 0`, and `eta` is not used.

    Example:

    >>> rule, surely = md4keras.samplers.ByConfidence(), np.array([[True, True]])
    >>> remembered = np.array([[0.9, 0.1]], "float32")  # the less likely token goes more easily
    >>> print(np.asarray(rule.revealed_sigma(np.float32(0.5), surely, remembered)).round(2))
    [[0.16 0.34]]
    """

    def masked_sigma(self, largest):
        return 0.0

    def revealed_sigma(self, largest, may_go, remembered):
        weight = ops.exp(-remembered) * ops.cast(may_go, "float32")
        total = ops.sum(weight, axis=tuple(range(1, len(weight.shape))), keepdims=True)
        return largest * weight / ops.maximum(total, 1e-30)


RULES = {"rescaled": Rescale, "capped": Cap, "confidence": ByConfidence}


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Remasking(Sampler):
    """ReMDM: a revealed token is masked again with probability `sigma`.

    A masked position becomes `v` with probability `(alpha_s - (1 - sigma) alpha_t)/(1 - alpha_t)
    mu_v`, so that the masked fraction still follows the schedule (not under the rule of
    confidence). The rules bound `sigma` by `sigma_max = min(1, (1 - alpha_s)/alpha_t)`. Tokens
    that were given to `infill` stay.

    Reference: Wang et al. 2025, *Remasking Discrete Diffusion Models with Inference-Time Scaling*
    (arXiv 2503.00307), Eq. 6 and Section 4.1.

    Args:
        filters: see `Sampler`.
        rule: `"rescaled"` (`Rescale`), `"capped"` (`Cap`) or `"confidence"` (`ByConfidence`);
            or a hashable object with their methods.
        eta: float in `[0, 1]`, of a rule given by its name; 0 is ancestral sampling.

    Example:

    >>> sampler, schedule = md4keras.samplers.Remasking(eta=0.1), md4keras.schedules.Linear()
    >>> logits, zt = np.log([[[0.6, 0.4]]]), np.array([[0]])  # a token that was revealed
    >>> print(np.asarray(sampler.step_probabilities(logits, zt, 0.25, 0.5, schedule)).round(2))
    [[[0.9 0.  0.1]]]
    """

    remembers = True

    rule: object = "capped"
    eta: float = 0.02

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.rule, str):
            check_name("rule", self.rule, RULES)
        else:
            members = ("masked_sigma", "revealed_sigma")
            check_has("a remasking rule", self.rule, members, f"Or name one of {tuple(RULES)}.")
            hash(self.rule)  # what is compiled is found by it
        check_number("eta", self.eta, Interval(0, 1))

    def check_schedule(self, schedule) -> None:
        check_scalar_schedule(self, schedule)

    def step_probabilities(self, logits, zt, s, t, schedule, memory=None):
        """As `Sampler.step_probabilities`; without `memory` all tokens were equally sure."""
        self.check_schedule(schedule)
        zt, mask_token = ops.convert_to_tensor(zt), logits.shape[-1]
        if memory is None:
            memory = Memory(ops.zeros(zt.shape, dtype="bool"), ops.zeros(zt.shape))
        rates = self._rates(mask_token, zt, s, t, schedule, memory)
        reveal, sigma = (ops.expand_dims(rate, -1) for rate in rates)
        mu = ops.softmax(self.filter(logits), axis=-1)
        masked = ops.concatenate([reveal * mu, 1.0 - reveal], axis=-1)
        one_hot = ops.one_hot(zt, mask_token + 1, dtype="float32")
        mask = ops.one_hot(ops.full_like(zt, mask_token), mask_token + 1, dtype="float32")
        revealed = (1.0 - sigma) * one_hot + sigma * mask
        return ops.where(ops.expand_dims(ops.equal(zt, mask_token), -1), masked, revealed)

    def step(self, logits, zt, s, t, schedule, noise, memory):
        mask_token = logits.shape[-1]
        reveal, sigma = self._rates(mask_token, zt, s, t, schedule, memory)
        tokens = self.draw(logits, noise)
        mu = ops.softmax(ops.cast(logits, "float32"), axis=-1)  # the model's own
        known = ops.expand_dims(ops.maximum(tokens, 0), -1)
        probability = ops.take_along_axis(mu, known, axis=-1)[..., 0]
        masked = ops.equal(zt, mask_token)
        revealed = masked & (noise[0] < reveal)
        remasked = ~masked & (noise[0] < sigma)
        zs = ops.where(revealed, tokens, ops.where(remasked, ops.full_like(zt, mask_token), zt))
        return zs, ops.where(revealed, probability, memory.remembered)

    def _rates(self, mask_token, zt, s, t, schedule, memory):
        """Probabilities to reveal a masked and to mask a revealed position, `[B, *data_shape]`."""
        rule = RULES[self.rule](self.eta) if isinstance(self.rule, str) else self.rule
        alpha_t, alpha_s = (
            expand_like(ops.convert_to_tensor(schedule.alpha(time), dtype="float32"), zt)
            for time in (t, s)
        )
        may_go = ~ops.equal(zt, mask_token) & ~memory.given
        largest = ops.minimum(1.0, (1.0 - alpha_s) / ops.maximum(alpha_t, 1e-30))
        reveal = (alpha_s - (1.0 - rule.masked_sigma(largest)) * alpha_t) / (1.0 - alpha_t)
        reveal = ops.clip(reveal, 0.0, 1.0)  # rounding
        sigma = ops.where(may_go, rule.revealed_sigma(largest, may_go, memory.remembered), 0.0)
        return ops.broadcast_to(reveal, ops.shape(zt)), sigma
