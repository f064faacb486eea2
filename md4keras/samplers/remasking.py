"""Remasking sampling: what was revealed may be masked again, so that mistakes can be mended."""

import dataclasses

import keras
from keras import ops

from md4keras.forward_process import expand_like
from md4keras.samplers.categorical import sample_categorical
from md4keras.samplers.confidence import check_non_negative
from md4keras.samplers.sampler import Sampler, check_scalar_schedule

RULES = ("rescaled", "capped", "confidence")


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Remasking(Sampler):
    """ReMDM: a revealed token is masked again with probability `sigma`.

    A masked position becomes `v` with probability `(alpha_s - (1 - sigma) alpha_t)/(1 - alpha_t)
    mu_v`, so that the masked fraction still follows the schedule (not under the rule of
    confidence, where masked positions have `sigma = 0`). With
    `sigma_max = min(1, (1 - alpha_s)/alpha_t)`:

    - `"rescaled"`: `sigma = eta sigma_max`;
    - `"capped"`: `sigma = min(eta, sigma_max)`;
    - `"confidence"`: `sigma_max` times the softmax, over the revealed positions of a row, of minus
      the probability that a token had when it was revealed (`eta` is not used).

    Tokens that were given to `infill` stay.

    Reference: Wang et al. 2025, *Remasking Discrete Diffusion Models with Inference-Time Scaling*
    (arXiv 2503.00307), Eq. 6 and Section 4.1.

    Args:
        filters: see `Sampler`.
        rule: `"rescaled"`, `"capped"` or `"confidence"`.
        eta: float in `[0, 1]`; 0 is ancestral sampling.
    """

    remembers = True

    rule: str = "capped"
    eta: float = 0.02

    def __post_init__(self):
        super().__post_init__()
        if self.rule not in RULES:
            raise ValueError(
                f"Unknown remasking rule. Expected one of {RULES}. Received: rule={self.rule!r}"
            )
        check_non_negative("eta", self.eta)
        if self.eta > 1.0:
            raise ValueError(f"`eta` must lie in [0, 1]. Received: eta={self.eta!r}")

    def check_schedule(self, schedule) -> None:
        check_scalar_schedule(self, schedule)

    def step_probabilities(self, logits, zt, s, t, schedule, memory=None):
        """As `Sampler.step_probabilities`; without `memory` all tokens were equally sure."""
        self.check_schedule(schedule)
        zt, mask_token = ops.convert_to_tensor(zt), logits.shape[-1]
        memory = ops.zeros(zt.shape) if memory is None else memory
        memory = ops.convert_to_tensor(memory, dtype="float32")
        rates = self._rates(mask_token, zt, s, t, schedule, memory)
        reveal, sigma = (ops.expand_dims(rate, -1) for rate in rates)
        mu = ops.softmax(self.filter(logits), axis=-1)
        masked = ops.concatenate([reveal * mu, 1.0 - reveal], axis=-1)
        one_hot = ops.one_hot(zt, mask_token + 1, dtype="float32")
        mask = ops.one_hot(ops.full_like(zt, mask_token), mask_token + 1, dtype="float32")
        revealed = (1.0 - sigma) * one_hot + sigma * mask
        return ops.where(ops.expand_dims(ops.equal(zt, mask_token), -1), masked, revealed)

    def step(self, logits, zt, s, t, schedule, noise, memory):
        logits, mask_token = self.filter(logits), logits.shape[-1]
        reveal, sigma = self._rates(mask_token, zt, s, t, schedule, memory)
        tokens = sample_categorical(logits, noise[1])
        mu = ops.softmax(logits, axis=-1)
        probability = ops.take_along_axis(mu, ops.expand_dims(tokens, -1), axis=-1)[..., 0]
        masked = ops.equal(zt, mask_token)
        revealed = masked & (noise[0] < reveal)
        remasked = ~masked & (noise[0] < sigma)
        zs = ops.where(revealed, tokens, ops.where(remasked, ops.full_like(zt, mask_token), zt))
        return zs, ops.where(revealed, probability, memory)

    def _rates(self, mask_token, zt, s, t, schedule, memory):
        """Probabilities to reveal a masked and to mask a revealed position, `[B, *data_shape]`."""
        alpha_t, alpha_s = (
            expand_like(ops.convert_to_tensor(schedule.alpha(time), dtype="float32"), zt)
            for time in (t, s)
        )
        may_go = ~ops.equal(zt, mask_token) & (memory < float("inf"))
        largest = ops.minimum(1.0, (1.0 - alpha_s) / ops.maximum(alpha_t, 1e-30))
        if self.rule == "capped":
            sigma = sigma_of_masked = ops.minimum(self.eta, largest)
        elif self.rule == "rescaled":
            sigma = sigma_of_masked = self.eta * largest
        else:
            weight = ops.exp(-memory) * ops.cast(may_go, "float32")
            total = ops.sum(weight, axis=tuple(range(1, len(zt.shape))), keepdims=True)
            sigma, sigma_of_masked = largest * weight / ops.maximum(total, 1e-30), 0.0
        reveal = (alpha_s - (1.0 - sigma_of_masked) * alpha_t) / (1.0 - alpha_t)
        reveal = ops.clip(reveal, 0.0, 1.0)  # rounding
        sigma = ops.where(may_go, sigma, 0.0)
        return ops.broadcast_to(reveal, ops.shape(zt)), sigma
