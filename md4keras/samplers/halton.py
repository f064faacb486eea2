"""Sampling of images in a low-discrepancy order: each step reveals positions far apart."""

import dataclasses
import functools
import math

import keras
import numpy as np
from keras import ops

from md4keras.samplers.ordered import Planned


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Halton(Planned):
    """Reveals, at each step, the next planned number of pixels along a Halton sequence.

    Whatever the number of steps, those of one step lie far apart, where they tell least of one
    another. The order is the same for all images; the channels of a pixel follow each other. It
    depends on the state alone, so `model.score(x, sampler=...)` is the likelihood of what is drawn.

    Reference: Besnier et al. 2025, *Halton Scheduler for Masked Generative Image Transformer*
    (arXiv 2503.17076), Section 3.

    Args:
        filters: see `Sampler`.

    Raises:
        ValueError: with a model of text.

    Example:

    >>> halton_order(2, 3).tolist()  # the number of each pixel
    [[5, 3, 1], [2, 0, 4]]
    """

    def check_data_shape(self, data_shape) -> None:
        if len(data_shape) < 2:
            raise ValueError(
                "The Halton order is one of the pixels of an image. Expected a model of images, "
                f"whose examples have the shape [height, width, channels]. Received: data_shape="
                f"{tuple(data_shape)}. Take 'confidence' or 'entropy_bound' for text."
            )

    def score(self, logits, zt, t, uniforms):
        data_shape = tuple(zt.shape[1:])
        self.check_data_shape(data_shape)
        height, width, *channels = data_shape
        order = halton_order(height, width).reshape(height, width, *(1 for _ in channels))
        order = ops.convert_to_tensor(np.broadcast_to(order, data_shape).astype("float32"))
        return ops.zeros(ops.shape(zt), dtype="float32") - order


@functools.lru_cache(maxsize=32)
def halton_order(height: int, width: int) -> np.ndarray:
    """The number of each pixel along the Halton sequence of bases 2 (rows) and 3 (columns).

    Returns:
        int array `[height, width]`, a permutation of `0 .. height * width - 1`; kept for the next
        call, so nothing can be written into it.
    """
    count = 4 * height * width
    while True:
        points = np.arange(1, count + 1)
        rows, columns = _part(points, 2, height), _part(points, 3, width)
        cells, first = np.unique(rows * width + columns, return_index=True)
        if len(cells) == height * width:  # each pixel was met
            order = np.argsort(np.argsort(first)).reshape(height, width)
            order.flags.writeable = False
            return order
        count *= 2


def _part(numbers, base: int, parts: int):
    """In which of equal parts of `[0, 1)` numbers lie, their digits mirrored at the point."""
    digits = math.ceil(math.log(numbers.max() + 1, base)) + 1
    mirrored = np.zeros(numbers.shape, dtype="int64")
    for _ in range(digits):
        numbers, digit = np.divmod(numbers, base)
        mirrored = mirrored * base + digit
    return mirrored * parts // base**digits
