"""Logit filters: what a sampler may draw, cut to the likeliest values. They compose in order."""

import dataclasses
import math
import numbers

import keras
from keras import ops

REMOVED = -1e7  # the logit of a value that is cut; its probability is exactly 0 in float32


class Filter:
    """A function of logits with a configuration."""

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class TopP(Filter):
    """Keeps the smallest set of likeliest values whose mass is at least `p`, ties included.

    Reference: Holtzman et al. 2020, *The Curious Case of Neural Text Degeneration*; the published
    MD4 code uses 0.98.

    Args:
        p: float in `(0, 1]`.
    """

    p: float = 0.98

    def __post_init__(self):
        if not (isinstance(self.p, numbers.Real) and 0.0 < self.p <= 1.0):
            raise ValueError(
                "`p` is the probability mass to keep. Expected 0 < p <= 1. "
                f"Received: p={self.p!r}. 0.98 is the published value."
            )

    def __call__(self, logits):
        """Logits `[..., V]` with what is cut at -1e7."""
        if self.p == 1.0:
            return logits  # the last values' mass may be lost in rounding
        return keep_top_p(logits, self.p)


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class TopK(Filter):
    """Keeps the `k` likeliest values, ties included (all of them where `k` exceeds `V`).

    Args:
        k: int, at least 1.
    """

    k: int = 5

    def __post_init__(self):
        if isinstance(self.k, bool) or not isinstance(self.k, numbers.Integral) or self.k < 1:
            raise ValueError(
                "`k` is the number of values to keep. Expected a whole number, at least 1. "
                f"Received: k={self.k!r}"
            )

    def __call__(self, logits):
        """Logits `[..., V]` with what is cut at -1e7."""
        k = min(self.k, logits.shape[-1])
        threshold = ops.top_k(logits, k)[0][..., -1:]
        return ops.where(logits >= threshold, logits, REMOVED)


def keep_top_p(logits, p):
    """What `TopP` does, with a mass that may be a float32 scalar tensor, below 1."""
    probabilities = ops.softmax(logits, axis=-1)
    ordered = ops.flip(ops.sort(probabilities, axis=-1), axis=-1)  # falling
    mass_before = ops.cumsum(ordered, axis=-1) - ordered
    needed = mass_before < p  # the first always is
    threshold = ops.min(ops.where(needed, ordered, math.inf), axis=-1, keepdims=True)
    return ops.where(probabilities >= threshold, logits, REMOVED)
