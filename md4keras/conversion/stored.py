"""Arrays of a checkpoint that stay in its files until their numbers are asked for."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

FLOATS = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
"""The types that parameters are kept in, and their bytes."""


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array in a file: `numpy.asarray` reads it, each time anew.

    So that no more than one of them is in memory beside the model that they are for.

    Args:
        shape: tuple of ints.
        kept_as: str, the type that its numbers have in the file, such as `"float32"`.
        read: function without arguments that returns the array. NumPy has no bfloat16: such
            arrays come as float32, which holds the same numbers.

    Example:

    >>> scale = StoredArray((2,), "float32", lambda: np.ones(2, "float32"))
    >>> scale.shape, np.asarray(scale).tolist()
    ((2,), [1.0, 1.0])
    """

    shape: tuple[int, ...]
    kept_as: str
    read: Callable[[], np.ndarray]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.read()
        return array if dtype is None else array.astype(dtype)

    @property
    def size(self) -> int:
        """How many numbers the array has."""
        return math.prod(self.shape)


def widened(bits: np.ndarray) -> np.ndarray:
    """Bfloat16 numbers as float32, of which they are the upper half.

    Args:
        bits: uint16 array of any shape.

    Example:

    >>> widened(np.array([0x3F80, 0xC000], "uint16")).tolist()
    [1.0, -2.0]
    """
    return (bits.astype("uint32") << 16).view("float32")
