"""Ancestral sampling: each masked position is revealed at the rate of the exact posterior."""

import keras
from keras import ops

from md4keras.forward_process import expand_like
from md4keras.samplers.categorical import sample_categorical
from md4keras.samplers.sampler import Sampler


@keras.saving.register_keras_serializable(package="md4keras")
class Ancestral(Sampler):
    """A masked position becomes `v` with probability `(alpha_s - alpha_t)/(1 - alpha_t) mu_v`.

    Otherwise it stays masked; revealed positions never change (Shi et al. 2024, Eq. 4 and
    Section 4). The reveal is a Bernoulli draw and the token a draw of its own, which stays exact
    where one categorical over tokens and mask would not (see `sample_categorical`).

    Args:
        decode: `"sample"` or `"argmax"`: how a position that is still masked after the last step
            is filled from `mu(z0, 0)`. The published code takes the argmax.
    """

    def __init__(self, decode: str = "sample"):
        if decode not in ("sample", "argmax"):
            raise ValueError(
                "Unknown way to fill what stays masked. Expected 'sample' or 'argmax'. "
                f"Received: decode={decode!r}"
            )
        self.decode_mode = decode

    def step_probabilities(self, logits, zt, s, t, schedule):
        mask_token = logits.shape[-1]
        reveal = ops.expand_dims(self._reveal_probability(zt, s, t, schedule), -1)
        mu = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        stay = (1.0 - reveal) * ops.ones_like(mu[..., :1])
        drawn = ops.concatenate([reveal * mu, stay], axis=-1)  # [B, *data_shape, V + 1]
        kept = ops.one_hot(zt, mask_token + 1, dtype="float32")
        return ops.where(ops.expand_dims(ops.equal(zt, mask_token), -1), drawn, kept)

    def step(self, logits, zt, s, t, schedule, noise):
        reveal = ops.less(noise[0], self._reveal_probability(zt, s, t, schedule))
        masked = ops.equal(zt, logits.shape[-1])
        return ops.where(masked & reveal, sample_categorical(logits, noise[1]), zt)

    def decode(self, logits, zt, noise):
        if self.decode_mode == "argmax":
            tokens = ops.cast(ops.argmax(logits, axis=-1), "int32")
        else:
            tokens = sample_categorical(logits, noise[1])
        return ops.where(ops.equal(zt, logits.shape[-1]), tokens, zt)

    def _reveal_probability(self, zt, s, t, schedule):
        alpha_t, alpha_s = schedule.alpha(t), schedule.alpha(s)
        return expand_like((alpha_s - alpha_t) / (1.0 - alpha_t), zt)

    def get_config(self) -> dict:
        return {"decode": self.decode_mode}
