"""Arrays of a `.safetensors` file, read one by one.

Such a file is a length (8 bytes, little endian), a header in JSON that says of each array its type,
shape and place, and the bytes of the arrays. There is nothing in it that could be run.

Reference: https://huggingface.co/docs/safetensors, "Format".
"""

import functools
import json
import math
import os
from pathlib import Path

import numpy as np

from md4keras.checks import is_whole
from md4keras.conversion.checkpoint_files import unreadable
from md4keras.conversion.stored import StoredArray, widened

_MOST_HEADER_BYTES = 64 * 2**20
_MOST_DIMENSIONS = 64  # as NumPy's arrays have: a product of millions of sizes takes hours
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_DTYPES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8"}
_DTYPES |= {"U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool"}


def read_safetensors(path: str | os.PathLike) -> dict[str, StoredArray]:
    """The arrays of a file by name; from the file comes only the header, yet.

    Args:
        path: of a `.safetensors` file.

    Raises:
        ValueError: if it is none, ends early, or an array is of a type that NumPy has not, such
            as an 8-bit float.
    """
    path = Path(path)
    size = path.stat().st_size
    header, start = _header(path, size)
    header.pop("__metadata__", None)
    found, used = {}, 0
    for name, entry in header.items():
        dtype, shape, begin, end = _entry(path, name, entry)
        if end > size - start:
            raise _damaged(path, f"it ends before its array '{name}' does")
        read = functools.partial(_read, path, dtype, shape, start + begin)
        found[name], used = StoredArray(shape, dtype, read), used + end - begin
    if used > size - start:
        raise _damaged(path, "its arrays overlap")
    return found


def _header(path: Path, size: int) -> tuple[dict, int]:
    """The header, and where the arrays begin."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise _damaged(path, "it ends within its header")
        if length > _MOST_HEADER_BYTES:
            raise _damaged(path, f"its header has {length} bytes")
        text = file.read(length)
    try:
        header = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no dictionary")
    return header, 8 + length


def _entry(path: Path, name: str, entry) -> tuple[str, tuple, int, int]:
    """Type, shape, begin and end of an array, if they agree."""
    entry = entry if isinstance(entry, dict) else {}
    shape, place = entry.get("shape"), entry.get("data_offsets")
    if not (_are_sizes(shape) and _are_sizes(place) and len(place) == 2):
        raise _damaged(path, f"its header does not describe '{name}'")
    dtype = _DTYPES.get(str(entry.get("dtype")))
    if dtype is None:
        raise unreadable(
            path,
            f"'{name}' is of the type {entry.get('dtype')!r}",
            f"one of {', '.join(_DTYPES)}",
            "Take the checkpoint in one of these.",
        )
    begin, end = place
    if end - begin != math.prod(shape) * _item_bytes(dtype):
        raise _damaged(path, f"the bytes of '{name}' are not those of its shape {tuple(shape)}")
    return dtype, tuple(shape), begin, end


def _are_sizes(values) -> bool:
    listed = isinstance(values, list) and len(values) <= _MOST_DIMENSIONS
    return listed and all(is_whole(each) and each >= 0 for each in values)


def _item_bytes(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _read(path: Path, dtype: str, shape: tuple, place: int) -> np.ndarray:
    kept = np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<")
    found = np.fromfile(path, kept, math.prod(shape), offset=place)
    if found.size != math.prod(shape):
        raise _damaged(path, "it became shorter while it was read")
    found = found.reshape(shape)
    return widened(found) if dtype == "bfloat16" else found


def _damaged(path: Path, problem: str) -> ValueError:
    expected = "a whole .safetensors file"
    return unreadable(path, problem, expected, "Download the file again.")
