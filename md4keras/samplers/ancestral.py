"""Ancestral sampling: each masked position is revealed at the rate of the exact posterior."""

import dataclasses

import keras
from keras import ops

from md4keras.checks import check_name
from md4keras.samplers.drawing import likeliest
from md4keras.samplers.sampler import Sampler

FINISHES = ("sample", "argmax")


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Ancestral(Sampler):
    """A masked position becomes `v` with probability `(alpha_s - alpha_t)/(1 - alpha_t) mu_v`.

    Otherwise it stays masked; revealed positions never change (Shi et al. 2024, Eq. 4 and
    Section 4). Under GenMD4 `alpha` depends on `v`. The step draws a token from `mu` everywhere
    and then reveals it or not, so `"mean"`, the published sampler that is defined in this way, is
    this one; and it stays exact where one categorical over tokens and mask would not (see
    `sample_categorical`).

    Args:
        filters: see `Sampler`.
        last: `"sample"` or `"argmax"`: how a position that is still masked after the last step
            is filled from `mu(z0, 0)`. The published code takes the argmax.

    Example:

    >>> sampler, schedule = md4keras.samplers.Ancestral(), md4keras.schedules.Linear()
    >>> logits, zt = np.log([[[0.6, 0.4]] * 2]), np.array([[2, 0]])  # masked, and revealed
    >>> print(np.asarray(sampler.step_probabilities(logits, zt, 0.5, 1.0, schedule)).round(2))
    [[[0.3 0.2 0.5]
      [1. 0. 0. ]]]
    """

    last: str = "sample"

    def __post_init__(self):
        super().__post_init__()
        check_name("last", self.last, FINISHES, "It says how what stays masked is filled.")

    def step_probabilities(self, logits, zt, s, t, schedule):
        zt, mask_token = ops.convert_to_tensor(zt), logits.shape[-1]
        reveal = _reveal_probability(zt, s, t, schedule)
        mu = ops.softmax(self.filter(logits), axis=-1)
        stay = ops.sum((1.0 - reveal) * mu, axis=-1, keepdims=True)
        drawn = ops.concatenate([reveal * mu, stay], axis=-1)  # [B, *data_shape, V + 1]
        kept = ops.one_hot(zt, mask_token + 1, dtype="float32")
        return ops.where(ops.expand_dims(ops.equal(zt, mask_token), -1), drawn, kept)

    def step(self, logits, zt, s, t, schedule, noise, memory):
        tokens = self.draw(logits, noise)
        reveal = _reveal_probability(zt, s, t, schedule)
        if schedule.per_token:  # that of each position's token, from its row's [V]
            batch_size, values = ops.shape(zt)[0], logits.shape[-1]
            rows = ops.broadcast_to(ops.reshape(reveal, (-1, values)), (batch_size, values))
            picked = ops.take_along_axis(rows, ops.reshape(tokens, (batch_size, -1)), axis=-1)
            reveal = ops.reshape(picked, ops.shape(zt))
        else:
            reveal = reveal[..., 0]
        revealed = ops.equal(zt, logits.shape[-1]) & (noise[0] < reveal)
        return ops.where(revealed, tokens, zt), memory.remembered

    def finish(self, logits, zt, noise):
        if self.last == "sample":
            return super().finish(logits, zt, noise)
        return ops.where(ops.equal(zt, logits.shape[-1]), likeliest(self.filter(logits)), zt)


def _reveal_probability(zt, s, t, schedule):
    """`(alpha_s - alpha_t)/(1 - alpha_t)`, `[B, 1, .., 1]`, or `[B, 1, .., V]` by token value."""
    reveal = ops.convert_to_tensor(schedule.reveal_probability(s, t), dtype="float32")
    values = reveal.shape[-1] if schedule.per_token else 1
    return ops.reshape(reveal, (-1,) + (1,) * (len(zt.shape) - 1) + (values,))
