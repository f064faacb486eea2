"""Checks of single arguments: numbers, names, masks, arrays of integers, folders to write to.

Each raises a `ValueError` in three parts: what is wrong, what was expected, how to mend it. They
take the argument's `name`, the `value` that was given, and `mend`, a sentence that says what to
give instead.
"""

import math
import numbers
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np


def is_whole(value) -> bool:
    """Whether the value is a whole number, Python's or NumPy's; truth values are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value) -> bool:
    """Whether the value is a real number; truth values are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_whole(name: str, value, least: int = 1, most: int | None = None, mend: str = "") -> int:
    """The value, if it is a whole number of `least`, to `most` if given; else a `ValueError`."""
    if is_whole(value) and value >= least and (most is None or value <= most):
        return value
    wanted = f"at least {least}" if most is None else f"from {least} to {most}"
    raise ValueError(
        f"`{name}` cannot be used. Expected a whole number, {wanted}. "
        f"Received: {name}={value!r}. {mend or f'Use {least}, for instance.'}"
    )


def check_sizes(name: str, value, count: int | None = None, mend: str = "") -> tuple[int, ...]:
    """The value as a tuple, if it is a tuple or list of (`count`) whole numbers above 0."""
    listed = isinstance(value, (tuple, list)) and all(is_whole(size) and size > 0 for size in value)
    if not listed or not value or count not in (None, len(value)):
        raise ValueError(
            f"`{name}` cannot be used. Expected {count or 'one or more'} whole numbers above 0. "
            f"Received: {name}={value!r}. {mend}".rstrip()
        )
    return tuple(value)


def check_list(name: str, value, least: int = 1, mend: str = "") -> list:
    """The things in a value as a list of `least` or more; a string or a mapping is no list."""
    try:
        found = None if isinstance(value, (str, bytes, Mapping)) else list(iter(value))
    except TypeError:  # not iterable
        found = None
    if found is None or len(found) < least:
        raise ValueError(
            f"`{name}` cannot be used. Expected a list{f' of at least {least}' if least else ''}. "
            f"Received: {name}={value!r:.60}. {mend}".rstrip()
        )
    return found


def check_number(name: str, value, interval: "Interval", mend: str = "") -> float:
    """The value, if it is a number in the interval; else a `ValueError`."""
    if not is_number(value) or value not in interval:
        raise ValueError(
            f"`{name}` cannot be used. Expected a number, {interval}. "
            f"Received: {name}={value!r}. {mend}".rstrip()
        )
    return value


class Interval:
    """Numbers between two ends, each of which belongs to it or not; never infinity or NaN.

    Args:
        low, high: floats.
        with_low, with_high: bools, whether the ends belong to it.

    Example:

    >>> 0.0 in Interval(0, 1), 0.0 in Interval(0, 1, with_low=False), str(Interval(0, 1))
    (True, False, 'in [0, 1]')
    """

    def __init__(self, low=0.0, high=math.inf, with_low: bool = True, with_high: bool = True):
        self.low, self.high, self.with_low, self.with_high = low, high, with_low, with_high

    def __contains__(self, value) -> bool:
        above = value >= self.low if self.with_low else value > self.low
        below = value <= self.high if self.with_high else value < self.high
        try:
            return bool(above and below and math.isfinite(value))
        except OverflowError:  # a whole number that no float holds
            return False

    def __str__(self):
        if self.high == math.inf:
            return f"{'at least' if self.with_low else 'above'} {self.low:g}"
        ends = "[" if self.with_low else "(", "]" if self.with_high else ")"
        return f"in {ends[0]}{self.low:g}, {self.high:g}{ends[1]}"


RATE = Interval(0, 1, with_high=False)
"""Probabilities of dropping something."""


def check_name(name: str, value, known: Iterable, mend: str = "") -> str | None:
    """The value, if it is one of the `known` names; else a `ValueError`."""
    known = list(known)
    if value not in known:
        raise ValueError(
            f"Unknown `{name}`. Expected one of {', '.join(map(repr, known))}. "
            f"Received: {name}={value!r}. {mend or 'Choose one of the known names.'}"
        )
    return value


def check_mask(name: str, mask, shape: tuple) -> np.ndarray:
    """A truth value for each token, bool of this shape.

    Args:
        mask: bool array of the shape `[B, *data_shape]`, or of one example; for images the
            channels may be left out, which then share it.
        shape: `(B, *data_shape)`.
    """
    mask = np.asarray(mask)
    images = len(shape) == 4  # [B, height, width, channels]
    if images and mask.shape not in (shape, shape[1:]) and mask.shape in (shape[:3], shape[1:3]):
        mask = np.broadcast_to(mask[..., None], (*mask.shape, shape[-1]))
    if mask.dtype != bool or mask.shape not in (shape, shape[1:]):
        raise ValueError(
            f"`{name}` is a mask, a truth value for each token. Expected booleans of shape "
            f"{shape} or {shape[1:]}{' (channels may be left out)' if images else ''}. "
            f"Received: shape={mask.shape}, dtype={mask.dtype}. "
            f"`{name}.astype(bool)` makes one of 0 and 1."
        )
    return np.broadcast_to(mask, shape)


def as_array(name: str, values) -> np.ndarray:
    """The values as an array; a `ValueError` where they are rows of different lengths."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"`{name}` cannot be used: its rows differ in length. Expected an array. "
            f"Received: {name}={str(values)[:60]}. Bring them to one length first."
        ) from error


def check_integers(
    name: str,
    values,
    shape: tuple,
    below: int | None = None,
    mend: str = "",
    least: int = 1,
    dtype: type = np.integer,
) -> np.ndarray:
    """The values as an array of integers of this shape; a `ValueError` if they are none.

    Args:
        values: an array, or what NumPy makes one of.
        shape: of each axis its size, or a word where any will do; `...` last for further axes.
        below: int, values lie in `[0, below)`; `None` for any integers.
        least: int, how long the first axis is at least; 0 where there may be no values.
        dtype: NumPy type of the values, or one above it.

    Example:

    >>> check_integers("colours", [[255, 0, 0], [0, 9, 0]], ("n", 3), below=256).shape
    (2, 3)
    """
    values = as_array(name, values)
    if values.size == least == 0:
        values = values.astype("int32")  # of an empty list NumPy makes floats
    axes = [axis for axis in shape if axis is not ...]
    same_rank = values.ndim == len(axes) or (values.ndim > len(axes) and shape[-1] is ...)
    same_sizes = all(isinstance(a, str) or a == n for a, n in zip(axes, values.shape, strict=False))
    enough = least == 0 or (values.size > 0 and values.shape[:1] >= (least,))
    if not np.issubdtype(values.dtype, dtype):
        fault = "wrong type"
    elif not (same_rank and same_sizes and enough):
        fault = "wrong shape"
    elif below is not None and values.size and not 0 <= values.min() <= values.max() < below:
        fault = "values out of range"
    else:
        return values
    wanted = ", ".join("..." if axis is ... else str(axis) for axis in shape)
    inside = "" if below is None else f" in [0, {below})"
    number = f", at least {least}" if least > 1 else ""
    whole = values.size and np.issubdtype(values.dtype, np.integer)
    found = f", from {values.min()} to {values.max()}" if whole else ""
    raise ValueError(
        f"`{name}` cannot be used: {fault}. Expected {dtype.__name__} values of shape [{wanted}]"
        f"{inside}{number}. Received: {name} of shape={values.shape}, dtype={values.dtype}{found}. "
        f"{mend}"
    )


def check_has(what: str, thing, names: Iterable[str], mend: str) -> None:
    """Raises a `ValueError` with the list of those attributes that an object lacks.

    Args:
        what: str, what the object should be, such as `"a schedule"`.
        thing, names: the object, and its attributes'.
    """
    names = tuple(names)
    missing = [name for name in names if not hasattr(thing, name)]
    if missing or isinstance(thing, type):
        lack = f"which lacks {missing}" if missing else "a class rather than an object"
        raise ValueError(
            f"This is not {what}. Expected an object with {names}. "
            f"Received: {thing!r}, {lack}. {mend}"
        )


def check_writable(path: str | os.PathLike) -> Path:
    """The nearest existing folder of a path, if something can be written there.

    Raises:
        ValueError: if the path leads through a file.
        PermissionError: if the folder cannot be written to.
    """
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise ValueError(
            f"The path is or leads through a file: '{place}'. Expected folders. "
            f"Received: path='{path}'. Name another place."
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(
            f"No permission to write to '{place}'. Received: path='{path}'. Name a place of your "
            "own, or change its permissions."
        )
    return place
