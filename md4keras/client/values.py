"""Values as a signature wants them: converted where nothing is lost, refused where something is."""

from typing import Any

import numpy as np

# Names as in `tensorflow.DataType`. Strings are arrays of `bytes`, as tensors of strings are.
DTYPES = {
    "DT_FLOAT": np.dtype("float32"),
    "DT_DOUBLE": np.dtype("float64"),
    "DT_HALF": np.dtype("float16"),
    "DT_INT8": np.dtype("int8"),
    "DT_INT16": np.dtype("int16"),
    "DT_INT32": np.dtype("int32"),
    "DT_INT64": np.dtype("int64"),
    "DT_UINT8": np.dtype("uint8"),
    "DT_UINT16": np.dtype("uint16"),
    "DT_UINT32": np.dtype("uint32"),
    "DT_UINT64": np.dtype("uint64"),
    "DT_BOOL": np.dtype("bool"),
    "DT_STRING": np.dtype("object"),
}

Shape = tuple[int | None, ...] | None

# Of an answer: of the message itself, and of the array of strings made of it, in which NumPy gives
# each string the room of the longest.
MAX_RESPONSE_BYTES = 256 * 2**20


def dtype_name(dtype: str) -> str:
    """The name that a user knows: `int32` for `DT_INT32`."""
    if dtype == "DT_STRING":
        return "string"
    return DTYPES[dtype].name if dtype in DTYPES else dtype


def describe(dtype: str, shape: Shape) -> str:
    """A tensor in words, `int32 [?, 256]`; `?` is any size."""
    sizes = "..." if shape is None else ", ".join("?" if n is None else str(n) for n in shape)
    return f"{dtype_name(dtype)} [{sizes}]"


def convert(name: str, value: Any, dtype: str, shape: Shape) -> np.ndarray:
    """An input as an array of the signature's dtype.

    Floats are rounded to the nearest float of that dtype; nothing else may change in value.

    Args:
        name: str, of the input, for messages.
        value: array, number, string or nested list of them.
        dtype: str, one of `DTYPES`.
        shape: sizes; `None` for any size, or for a shape of any rank.

    Returns:
        Array of that dtype and shape; strings as an array of `bytes`.

    Raises:
        ValueError: if the value is ragged, loses something in conversion, or has another shape.
    """
    if dtype not in DTYPES:
        raise ValueError(
            f"Values of type {dtype} cannot be sent. Received: {name}={_short(value)}. Ask for a "
            f"signature whose inputs are among {', '.join(map(dtype_name, DTYPES))}."
        )
    try:
        array = _to_strings(value) if dtype == "DT_STRING" else _to_numbers(value, DTYPES[dtype])
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"The input '{name}' is {describe(dtype, shape)}. Received: {name}={_short(value)}, "
            f"{error}. Give values that fit."
        ) from error
    if not _fits(array.shape, shape):
        raise ValueError(
            f"The input '{name}' is {describe(dtype, shape)}. Received: {name}={_short(value)}, "
            f"of shape {list(array.shape)}. {_mend(array.ndim, shape)}"
        )
    return array


def to_text(texts: np.ndarray) -> np.ndarray:
    """An array of `str` from an array of objects that are `str`.

    Raises:
        ValueError: if it would take more than `MAX_RESPONSE_BYTES`.
    """
    longest = max(map(len, texts.ravel()), default=0)
    if 4 * longest * texts.size > MAX_RESPONSE_BYTES:
        raise ValueError(f"{texts.size} strings of up to {longest} characters are too many")
    return texts.astype(str)


def _to_numbers(value: Any, dtype: np.dtype) -> np.ndarray:
    array = np.asarray(value)
    if array.size == 0:
        return np.zeros(array.shape, dtype)
    if (array.dtype.kind == "b") != (dtype.kind == "b") or array.dtype.kind not in "biuf":
        raise ValueError("which is not " + _kinds(dtype))
    if dtype.kind in "iu":
        _check_integers(array, dtype)
    elif dtype.kind == "f":
        _check_floats(array, dtype)
    return array.astype(dtype)


def _kinds(dtype: np.dtype) -> str:
    return {"b": "true or false", "f": "numbers"}.get(dtype.kind, "whole numbers")


def _check_integers(array: np.ndarray, dtype: np.dtype) -> None:
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):  # NaN differs too
        raise ValueError("which is not whole numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("which is infinite")
    # As Python's integers: float64 and uint64 are compared with bounds of int64 inexactly.
    low, high = int(array.min()), int(array.max())
    if low < np.iinfo(dtype).min or high > np.iinfo(dtype).max:
        raise ValueError(f"which lies outside {np.iinfo(dtype).min} to {np.iinfo(dtype).max}")


def _check_floats(array: np.ndarray, dtype: np.dtype) -> None:
    with np.errstate(over="ignore"):
        rounded = array.astype(dtype)
    if not np.array_equal(np.isfinite(rounded), np.isfinite(array)):
        raise ValueError(f"which is beyond the largest {dtype.name}")
    if array.dtype.kind in "iu" and not np.array_equal(rounded.astype(array.dtype), array):
        raise ValueError(f"a whole number that {dtype.name} does not hold exactly")


def _to_strings(value: Any) -> np.ndarray:
    # As objects: otherwise NumPy turns numbers beside strings into strings, and drops final NULs.
    array = np.array(value, dtype=object)
    for place, item in np.ndenumerate(array):
        if not isinstance(item, str | bytes):
            raise ValueError(f"in which {item!r} is no string")
        array[place] = item.encode() if isinstance(item, str) else bytes(item)
    return array


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    if shape is None:
        return True
    return len(found) == len(shape) and all(
        wanted is None or size == wanted for size, wanted in zip(found, shape, strict=True)
    )


def _mend(rank: int, shape: tuple[int | None, ...]) -> str:
    if rank == len(shape):
        return "Give as many values as the model takes."
    if not shape:
        return "Give a single value."
    if rank == 0 and len(shape) == 1:
        return "Give a list, of one value if it is one."
    return f"Give lists nested {len(shape)} deep."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
