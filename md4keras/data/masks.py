"""Masks of images: what is to be filled in, as booleans of the image's shape.

Arguments that make no sense raise a `ValueError`, as does a shape that is no image's.
"""

from collections.abc import Iterable

import numpy as np

from md4keras.checks import (
    Interval,
    check_integers,
    check_name,
    check_number,
    check_whole,
    is_whole,
)

SIDES = ("left", "right", "top", "bottom")


def rectangle(shape, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Masks a rectangle; what lies beyond the image's border is cut off.

    Args:
        shape: `(height, width, channels)` of the image.
        top, left: ints, pixels above and to the left of the rectangle.
        height, width: ints, its sides in pixels; with 0 nothing is masked.

    Returns:
        bool array of the shape: `True` inside.

    Example:

    >>> rectangle((2, 4, 1), top=1, left=1, height=1, width=2)[..., 0].astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0]])
    """
    shape = _check_shape(shape)
    mend = "Count the pixels from the image's upper left corner."
    for name, value in dict(top=top, left=left, height=height, width=width).items():
        check_whole(name, value, least=0, mend=mend)
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def half(shape, side: str) -> np.ndarray:
    """Masks one half; of an odd number of pixels, the right or bottom half has one more.

    Args:
        shape: `(height, width, channels)` of the image.
        side: `"left"`, `"right"`, `"top"` or `"bottom"`.

    Returns:
        bool array of the shape: `True` on that side.
    """
    shape = _check_shape(shape)
    check_name("side", side, SIDES, "Name the half to mask.")
    axis = 1 if side in ("left", "right") else 0
    along = np.arange(shape[axis]) < shape[axis] // 2  # [width] or [height]
    along = along if side in ("left", "top") else ~along
    place = (1, -1, 1) if axis == 1 else (-1, 1, 1)
    return np.broadcast_to(along.reshape(place), shape).copy()


def random_fraction(shape, fraction: float, seed: int = 0) -> np.ndarray:
    """Masks so many pixels, drawn without replacement, each with all its channels.

    With the same seed, the mask of a larger fraction holds that of a smaller one.

    Args:
        shape: `(height, width, channels)` of the image.
        fraction: float in `[0, 1]`, of the pixels; rounded to whole pixels.
        seed: int of at least 0.

    Returns:
        bool array of the shape: `True` where a pixel was drawn.
    """
    shape = _check_shape(shape)
    check_number("fraction", fraction, Interval(0, 1), "Use 0.5 to mask every second pixel or so.")
    check_whole("seed", seed, least=0, mend="The same seed gives the same mask.")
    height, width, _ = shape
    order = np.random.default_rng(seed).permutation(height * width)
    return pixels(shape, order[: round(float(fraction) * height * width)])


def channel(shape, index: int) -> np.ndarray:
    """Masks one channel of every pixel: the others tell where things are, not this colour.

    Args:
        shape: `(height, width, channels)` of the image.
        index: int, the channel, from 0: red, green or blue.

    Returns:
        bool array of the shape: `True` in that channel.
    """
    shape = _check_shape(shape)
    check_whole("index", index, least=0, most=shape[2] - 1, mend="Count the channels from 0.")
    mask = np.zeros(shape, bool)
    mask[..., index] = True
    return mask


def pixels(shape, numbers: Iterable[int]) -> np.ndarray:
    """Masks single pixels, such as those that were painted, each with all its channels.

    Args:
        shape: `(height, width, channels)` of the image.
        numbers: ints, the pixels, counted row by row from 0, in any order.

    Returns:
        bool array of the shape: `True` in those pixels.

    Example:

    >>> pixels((2, 3, 1), [0, 5])[..., 0].astype(int)
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    height, width, channels = shape = _check_shape(shape)
    numbers = list(numbers) if isinstance(numbers, Iterable) else numbers
    mend = "Count the pixels row by row from 0."
    numbers = check_integers("numbers", numbers, ("count",), height * width, mend, least=0)
    mask = np.zeros(height * width, bool)
    mask[numbers] = True
    return np.repeat(mask.reshape(height, width, 1), channels, axis=2)


def _check_shape(shape) -> tuple[int, int, int]:
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if len(sizes) != 3 or not all(is_whole(size) and size >= 1 for size in sizes):
        raise ValueError(
            "`shape` is no image's. Expected (height, width, channels), integers of at least 1. "
            f"Received: shape={shape!r}. Pass the shape of one image, such as (8, 8, 1)."
        )
    return sizes
