"""Signatures of a served model: read from the server's metadata, completed by what is asked."""

import base64
import math
from typing import Any, NamedTuple

import numpy as np

from md4keras.client.errors import reading

# NumPy's types by their names in `tensorflow.DataType`; strings are arrays of objects.
_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF", "object": "STRING"}
_KINDS = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
TYPES = {f"DT_{_NAMES.get(kind, kind.upper())}": np.dtype(kind) for kind in [*_NAMES, *_KINDS]}
_MAX_DEFAULT_ELEMENTS = 2**20


class TensorInfo(NamedTuple):
    """Type (`DT_INT32`) and shape of an input or output; `None` is any size, or any shape."""

    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self):
        name = str(TYPES.get(self.dtype, self.dtype)).replace("object", "string")
        sizes = ["..."] if self.shape is None else ["?" if n is None else n for n in self.shape]
        return f"{name} [{', '.join(map(str, sizes))}]"


class SignatureDef(NamedTuple):
    """A signature as the server describes it, in TensorFlow's message of this name."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]
    defaults: dict[str, np.ndarray]

    def complete(self, name: str, given: dict) -> dict[str, np.ndarray]:
        """All inputs as arrays: those given, checked and converted, and defaults for the others.

        Raises:
            ValueError: if an input does not exist, is missing, or does not fit.
        """
        unknown = given.keys() - self.inputs.keys()
        missing = self.inputs.keys() - given.keys() - self.defaults.keys()
        if unknown or missing:
            names = ", ".join(f"'{each}'" for each in sorted(unknown or missing))
            usual = {each: f" = {value.tolist()!s:.40}" for each, value in self.defaults.items()}
            inputs = [f"{each} {info}{usual.get(each, '')}" for each, info in self.inputs.items()]
            raise ValueError(
                f"The signature '{name}' {'has no input' if unknown else 'needs'} {names}. "
                f"Received: inputs={sorted(given)}. Its inputs are: {', '.join(sorted(inputs))}."
            )
        arrays = {each: convert(each, given[each], *self.inputs[each]) for each in given}
        return {each: arrays.get(each, self.defaults.get(each)) for each in self.inputs}


def read_signatures(metadata: Any) -> dict[str, SignatureDef]:
    """The signatures by name, from `GetModelMetadataResponse` as JSON; else a `ServingError`."""
    with reading("What answers there does not describe its model as TensorFlow Serving does"):
        return {
            name: SignatureDef(
                {key: _read_info(info) for key, info in each.get("inputs", {}).items()},
                {key: _read_info(info) for key, info in each.get("outputs", {}).items()},
                {key: _read_default(proto) for key, proto in each.get("defaults", {}).items()},
            )
            for name, each in metadata["metadata"]["signature_def"]["signature_def"].items()
            if not name.startswith("__")  # "__saved_model_init_op" is TensorFlow's own
        }


def _read_info(info: dict) -> TensorInfo:
    shape = info.get("tensor_shape", {})
    # 64-bit integers are strings in JSON; a size of 0 is left out by some of its writers.
    sizes = [int(dim.get("size", 0)) for dim in shape.get("dim", [])]
    known = tuple(None if size < 0 else size for size in sizes)
    return TensorInfo(str(info["dtype"]), None if shape.get("unknown_rank") else known)


def _read_default(proto: dict) -> np.ndarray:
    """The array of a `TensorProto`, whose values lie in `tensor_content` or in one `..._val`."""
    info = _read_info(proto)
    kind, size = TYPES[info.dtype], math.prod(info.shape)
    if size > _MAX_DEFAULT_ELEMENTS or info.dtype == "DT_HALF":  # whose values are bits
        raise ValueError(f"a default of {size} values, {info}")
    if content := base64.b64decode(proto.get("tensor_content", ""), validate=True):
        return np.frombuffer(content, kind.newbyteorder("<")).reshape(info.shape)
    values, zero = [value for key in proto if key.endswith("_val") for value in proto[key]], 0
    if info.dtype == "DT_STRING":
        values, zero = [base64.b64decode(value, validate=True) for value in values], b""
    # TensorFlow leaves out final values that repeat the one before, and zeros altogether.
    array = np.array(values or [zero] * min(size, 1), kind)
    return np.append(array, np.repeat(array[-1:], size - len(array))).reshape(info.shape)


def convert(name: str, value: Any, dtype: str, shape: tuple[int | None, ...] | None) -> np.ndarray:
    """An input as an array of the type and shape of a `TensorInfo`; strings become `bytes`.

    Floats are rounded to the nearest float of that type; what would change in value otherwise, is
    ragged, or has another shape, is refused with a `ValueError`.
    """
    mend = "Give values that fit."
    try:
        array = _as_bytes(value) if dtype == "DT_STRING" else _as_numbers(value, dtype)
        same_rank = shape is None or array.ndim == len(shape)
        sizes = zip(array.shape, shape or (), strict=False)
        if same_rank and all(wanted in (None, size) for size, wanted in sizes):
            return array
        lists = ["a single value", "a list", f"lists nested {len(shape)} deep"][min(len(shape), 2)]
        mend = f"Give {'as many values as the model takes' if same_rank else lists}."
        raise ValueError(f"of shape {list(array.shape)}")
    except (ValueError, TypeError, ArithmeticError) as error:
        wanted = f"The input '{name}' is {TensorInfo(dtype, shape)}."
        raise ValueError(f"{wanted} Received: {name}={value!r:.80}, {error}. {mend}") from error


def _as_numbers(value: Any, dtype: str) -> np.ndarray:
    if dtype not in TYPES:
        raise ValueError("but values of that type cannot be sent")
    array, kind = np.asarray(value), TYPES[dtype]
    if array.size and array.dtype.kind not in ("b" if dtype == "DT_BOOL" else "iuf"):
        raise ValueError(f"which is not {'true or false' if dtype == 'DT_BOOL' else 'numbers'}")
    with np.errstate(over="raise", invalid="ignore"):
        converted = array.astype(kind)
    # From float to float is rounding. Python compares other numbers exactly, whatever their types.
    if not array.dtype.kind == kind.kind == "f" and converted.tolist() != array.tolist():
        raise ValueError(f"which {kind.name} does not hold exactly")
    return converted


def _as_bytes(value: Any) -> np.ndarray:
    # As objects: otherwise NumPy turns numbers beside strings into strings, and drops final NULs.
    array = np.array(value, dtype=object)
    for place, item in np.ndenumerate(array):
        if not isinstance(item, str | bytes):
            raise ValueError(f"in which {item!r} is no string")
        array[place] = item.encode() if isinstance(item, str) else bytes(item)
    return array
