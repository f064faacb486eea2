"""The arrays of a published checkpoint: all of them and no others, real, finite, of their shape."""

import numpy as np

from md4keras.conversion.entries import some


def check_names(params: dict, expected: dict) -> None:
    """Raises a `ValueError` unless the parameters have the expected names and no others."""
    unknown, missing = set(params) - set(expected), set(expected) - set(params)
    if unknown or missing:
        raise ValueError(
            "The parameters are not those of this network. Expected one array for each parameter. "
            f"Received: unknown={some(unknown)}, missing={some(missing)}. Check the configuration."
        )


def check_shapes(params: dict, shapes: dict) -> None:
    """Raises a `ValueError` unless the parameters have these names and shapes; reads no numbers."""
    check_names(params, shapes)
    for name, shape in shapes.items():
        value = params[name]
        value = value if hasattr(value, "shape") else _as_array(value)
        _check_shape(name, tuple(value.shape), shape)


def checked_array(name: str, value, shape: tuple) -> np.ndarray:
    """The value as float32, if it is an array of real, finite numbers of that shape."""
    array = _as_array(value)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise ValueError(
            f"The parameter '{name}' is no array of real numbers. Expected floats. "
            f"Received: {type(value).__name__} of dtype={array.dtype}. Give one array for each "
            "full name."
        )
    _check_shape(name, array.shape, shape)
    with np.errstate(over="ignore"):
        array = array.astype("float32")
    if not np.isfinite(array).all():
        raise ValueError(
            f"The parameter '{name}' holds NaN or infinity. Expected finite float32 numbers. "
            f"Received: {int(np.sum(~np.isfinite(array)))} of {array.size} that are not. Take an "
            "undamaged checkpoint."
        )
    return array


def _as_array(value) -> np.ndarray:
    if hasattr(value, "__array__"):  # one that is read from a file says itself what is wrong
        return np.asarray(value)
    try:
        return np.asarray(value)
    except ValueError:  # nested lists of unequal lengths
        return np.asarray(None)


def _check_shape(name: str, found: tuple, shape: tuple) -> None:
    if found != shape:
        raise ValueError(
            f"The parameter '{name}' does not fit the model. Expected shape {shape}. "
            f"Received: shape={found}. Check the configuration."
        )
