"""Masks of images: what is to be filled in, as booleans of the image's shape."""

from collections.abc import Iterable

import numpy as np

SIDES = ("left", "right", "top", "bottom")


def rectangle(shape, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Masks a rectangle; what lies beyond the image's border is cut off.

    Args:
        shape: `(height, width, channels)` of the image.
        top, left: Pixels above and to the left of the rectangle.
        height, width: Its sides in pixels; with 0 nothing is masked.

    Returns:
        bool, shape `shape`: `True` inside.

    Raises:
        ValueError: `shape` is no image's, or a number is no integer of at least 0.

    Example:

    >>> rectangle((2, 4, 1), top=1, left=1, height=1, width=2)[..., 0].astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0]])
    """
    shape = _check_shape(shape)
    sizes = {"top": top, "left": left, "height": height, "width": width}
    for name, value in sizes.items():
        if not _is_integer(value) or value < 0:
            raise ValueError(
                f"`{name}` of a rectangle must be an integer of at least 0, in pixels. "
                f"Received: {name}={value!r}. Count from the image's upper left corner."
            )
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def half(shape, side: str) -> np.ndarray:
    """Masks one half; of an odd number of pixels, the right or bottom half has one more.

    Args:
        shape: `(height, width, channels)` of the image.
        side: `"left"`, `"right"`, `"top"` or `"bottom"`.

    Returns:
        bool, shape `shape`: `True` on that side.

    Raises:
        ValueError: `shape` is no image's, or `side` is none of the four.
    """
    shape = _check_shape(shape)
    if side not in SIDES:
        raise ValueError(
            f"`side` names no half: expected one of {', '.join(SIDES)}. "
            f"Received: side={side!r}. Name the half to mask."
        )
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
        fraction: Of the pixels, in `[0, 1]`; rounded to whole pixels.
        seed: An integer of at least 0.

    Returns:
        bool, shape `shape`: `True` where a pixel was drawn.

    Raises:
        ValueError: `shape` is no image's, or `fraction` or `seed` is out of range.
    """
    shape = _check_shape(shape)
    number = isinstance(fraction, int | float | np.number) and not isinstance(fraction, bool)
    if not number or not 0.0 <= fraction <= 1.0:
        raise ValueError(
            "`fraction` must be a number from 0 to 1. "
            f"Received: fraction={fraction!r}. Use 0.5 to mask every second pixel or so."
        )
    if not _is_integer(seed) or seed < 0:
        raise ValueError(
            "`seed` must be an integer of at least 0. "
            f"Received: seed={seed!r}. The same seed gives the same mask."
        )
    height, width, _ = shape
    order = np.random.default_rng(seed).permutation(height * width)
    return pixels(shape, order[: round(float(fraction) * height * width)])


def channel(shape, index: int) -> np.ndarray:
    """Masks one channel of every pixel: the others tell where things are, not this colour.

    Args:
        shape: `(height, width, channels)` of the image.
        index: The channel, from 0: red, green or blue.

    Returns:
        bool, shape `shape`: `True` in that channel.

    Raises:
        ValueError: `shape` is no image's, or has no such channel.
    """
    shape = _check_shape(shape)
    if not _is_integer(index) or not 0 <= index < shape[2]:
        raise ValueError(
            f"`index` names no channel: expected an integer in [0, {shape[2]}). "
            f"Received: index={index!r}, shape={shape}. Count the channels from 0."
        )
    mask = np.zeros(shape, bool)
    mask[..., index] = True
    return mask


def pixels(shape, numbers: Iterable[int]) -> np.ndarray:
    """Masks single pixels, such as those that were painted, each with all its channels.

    Args:
        shape: `(height, width, channels)` of the image.
        numbers: The pixels, counted row by row from 0, in any order.

    Returns:
        bool, shape `shape`: `True` in those pixels.

    Raises:
        ValueError: `shape` is no image's, or a number is none of its pixels.

    Example:

    >>> pixels((2, 3, 1), [0, 5])[..., 0].astype(int)
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    height, width, channels = shape = _check_shape(shape)
    numbers = list(numbers) if isinstance(numbers, Iterable) else [numbers]
    if not all(_is_integer(number) and 0 <= number < height * width for number in numbers):
        raise ValueError(
            f"`numbers` names pixels that are not there: expected integers in "
            f"[0, {height * width}). Received: {len(numbers)} numbers for shape={shape}. "
            "Count the pixels row by row from 0."
        )
    mask = np.zeros(height * width, bool)
    mask[np.array(numbers, "int64")] = True
    return np.repeat(mask.reshape(height, width, 1), channels, axis=2)


def _is_integer(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check_shape(shape) -> tuple[int, int, int]:
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if len(sizes) != 3 or not all(_is_integer(size) and size >= 1 for size in sizes):
        raise ValueError(
            "`shape` is no image's: expected (height, width, channels), integers of at least 1. "
            f"Received: shape={shape!r}. Pass the shape of one image, such as (8, 8, 1)."
        )
    return sizes
