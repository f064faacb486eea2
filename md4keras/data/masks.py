"""Masks of images: what is to be filled in, as booleans of the image's shape, `True` there.

The `shape` of an image is `(height, width, channels)`. Arguments that make no sense raise a
`ValueError`, as does a shape that is no image's.
"""

from collections.abc import Iterable

import numpy as np

from md4keras.checks import (
    Interval,
    check_integers,
    check_name,
    check_number,
    check_sizes,
    check_whole,
)

__all__ = ["SIDES", "channel", "half", "pixels", "random_fraction", "rectangle"]

SIDES = ("left", "right", "top", "bottom")


def rectangle(shape, top: int, left: int, height: int, width: int) -> np.ndarray:
    """The mask of a rectangle, bool of the shape; what lies beyond the border is cut off.

    Args:
        top, left: ints, pixels above and to the left of the rectangle.
        height, width: ints, its sides in pixels; with 0 nothing is masked.

    Example:

    >>> rectangle((2, 4, 1), top=1, left=1, height=1, width=2)[..., 0].astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0]])
    """
    mask = _nothing(shape)
    mend = "Count the pixels from the image's upper left corner."
    for name, value in dict(top=top, left=left, height=height, width=width).items():
        check_whole(name, value, least=0, mend=mend)
    mask[top : top + height, left : left + width] = True
    return mask


def half(shape, side: str) -> np.ndarray:
    """The mask of a half, bool of the shape; of an odd number, the right or bottom has one more.

    Args:
        side: `"left"`, `"right"`, `"top"` or `"bottom"`.

    Example:

    >>> half((2, 2, 1), "left")[..., 0].tolist()
    [[True, False], [True, False]]
    """
    mask = _nothing(shape)
    check_name("side", side, SIDES, "Name the half to mask.")
    y, x = mask.shape[0] // 2, mask.shape[1] // 2
    place = {"left": np.s_[:, :x], "right": np.s_[:, x:], "top": np.s_[:y], "bottom": np.s_[y:]}
    mask[place[side]] = True
    return mask


def random_fraction(shape, fraction: float, seed: int = 0) -> np.ndarray:
    """The mask of pixels drawn at random, each with all its channels, bool of the shape.

    With the same seed, the mask of a larger fraction holds that of a smaller one.

    Args:
        fraction: float in `[0, 1]`, of the pixels; rounded to whole pixels.
        seed: int of at least 0.

    Example:

    >>> int(random_fraction((8, 8, 1), 0.25).sum())
    16
    """
    check_number("fraction", fraction, Interval(0, 1), "Use 0.5 to mask every second pixel or so.")
    check_whole("seed", seed, least=0, mend="The same seed gives the same mask.")
    height, width, _ = _nothing(shape).shape
    order = np.random.default_rng(seed).permutation(height * width)
    return pixels(shape, order[: round(float(fraction) * height * width)])


def channel(shape, index: int) -> np.ndarray:
    """The mask of a channel, bool of the shape: the others tell where things are, not this colour.

    Args:
        index: int, the channel, from 0: red, green or blue.

    Example:

    >>> channel((1, 1, 3), index=2).tolist()
    [[[False, False, True]]]
    """
    mask = _nothing(shape)
    check_whole("index", index, least=0, most=mask.shape[2] - 1, mend="Count the channels from 0.")
    mask[..., index] = True
    return mask


def pixels(shape, numbers: Iterable[int]) -> np.ndarray:
    """The mask of single pixels, each with all its channels, bool of the shape.

    Args:
        numbers: ints, the pixels, counted row by row from 0, in any order.

    Example:

    >>> pixels((2, 3, 1), [0, 5])[..., 0].astype(int)
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    mask = _nothing(shape)
    rows = mask.reshape(-1, mask.shape[2])  # [height * width, channels], a view
    numbers = list(numbers) if isinstance(numbers, Iterable) else numbers
    mend = "Count row by row from 0, and leave out pixels that are not there."
    rows[check_integers("numbers", numbers, ("count",), len(rows), mend, least=0)] = True
    return mask


def _nothing(shape) -> np.ndarray:
    """The mask of an image of this shape that is `False` everywhere."""
    mend = "Pass (height, width, channels) of one image, such as (8, 8, 1)."
    return np.zeros(check_sizes("shape", shape, 3, mend), bool)
