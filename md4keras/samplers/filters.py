"""Logit filters: what a sampler may draw, cut to the likeliest values. They compose in order."""

import dataclasses
import math

import keras
from keras import ops

from md4keras.checks import Interval, check_number, check_whole
from md4keras.samplers.drawing import REMOVED
from md4keras.samplers.sampler import Configured


class Filter(Configured):
    """A function of logits with a configuration."""


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class TopP(Filter):
    """Keeps the smallest set of likeliest values whose mass is at least `p`, ties included.

    Reference: Holtzman et al. 2020, *The Curious Case of Neural Text Degeneration*; the published
    MD4 code uses 0.98.

    Args:
        p: float in `(0, 1]`.

    Example:

    >>> logits = np.log([0.5, 0.3, 0.2])
    >>> print(np.asarray(keras.ops.softmax(md4keras.samplers.TopP(0.7)(logits))).round(3))
    [0.625 0.375 0. ]
    """

    p: float = 0.98

    def __post_init__(self):
        mend = "It is the probability mass to keep; 0.98 is the published value."
        check_number("p", self.p, Interval(0, 1, with_low=False), mend)

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

    Example:

    >>> logits = np.log([0.5, 0.3, 0.2])
    >>> print(np.asarray(keras.ops.softmax(md4keras.samplers.TopK(2)(logits))).round(3))
    [0.625 0.375 0. ]
    """

    k: int = 5

    def __post_init__(self):
        check_whole("k", self.k, mend="It is the number of values to keep.")

    def __call__(self, logits):
        """Logits `[..., V]` with what is cut at -1e7."""
        k = min(self.k, logits.shape[-1])
        threshold = ops.top_k(logits, k)[0][..., -1:]
        return ops.where(ops.greater_equal(logits, threshold), logits, REMOVED)


def keep_top_p(logits, p):
    """What `TopP` does, with a mass that may be a float32 scalar tensor, below 1."""
    probabilities = ops.softmax(logits, axis=-1)
    ordered = ops.flip(ops.sort(probabilities, axis=-1), axis=-1)  # falling
    mass_before = ops.cumsum(ordered, axis=-1) - ordered
    needed = mass_before < p  # the first always is
    threshold = ops.min(ops.where(needed, ordered, math.inf), axis=-1, keepdims=True)
    return ops.where(probabilities >= threshold, logits, REMOVED)
