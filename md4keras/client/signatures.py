"""What a served model can be asked: its signatures, read from the server's metadata."""

import base64
import binascii
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from md4keras.client.errors import ServingError
from md4keras.client.values import DTYPES, Shape, convert, describe

# Fields of `TensorProto` that hold the values where `tensor_content` does not.
FIELDS = {
    "DT_FLOAT": "float_val",
    "DT_DOUBLE": "double_val",
    "DT_INT8": "int_val",
    "DT_INT16": "int_val",
    "DT_INT32": "int_val",
    "DT_INT64": "int64_val",
    "DT_UINT8": "int_val",
    "DT_UINT16": "int_val",
    "DT_UINT32": "uint32_val",
    "DT_UINT64": "uint64_val",
    "DT_BOOL": "bool_val",
    "DT_STRING": "string_val",
}
_MAX_DEFAULT_ELEMENTS = 2**20


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """The dtype (`DT_INT32`) and the shape of an input or output."""

    dtype: str
    shape: Shape


@dataclasses.dataclass(frozen=True)
class Signature:
    """One way to ask the model: inputs, what they are where they are left out, and outputs."""

    name: str
    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]
    defaults: dict[str, np.ndarray]

    def complete(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """All inputs as arrays: those given, checked and converted, and defaults for the others.

        Args:
            inputs: name -> array, number, string or nested list.

        Returns:
            Name -> array, one for each input of the signature.

        Raises:
            ValueError: if an input does not exist, has no default and is left out, or does not
                fit its dtype and shape.
        """
        unknown = [name for name in inputs if name not in self.inputs]
        missing = self.inputs.keys() - inputs.keys() - self.defaults.keys()
        if unknown or missing:
            what = (
                f"has no input {_quoted(unknown)}"
                if unknown
                else f"needs {_quoted(sorted(missing))}"
            )
            raise ValueError(
                f"The signature '{self.name}' {what}. Received: inputs={sorted(inputs)}. Its "
                f"inputs are: {self.describe_inputs()}."
            )
        given = {
            name: convert(name, value, self.inputs[name].dtype, self.inputs[name].shape)
            for name, value in inputs.items()
        }
        return {name: given[name] if name in given else self.defaults[name] for name in self.inputs}

    def describe_inputs(self) -> str:
        """Inputs in words, `tokens int32 [?, 8], seed int64 [] = 0`, those with defaults last."""
        names = sorted(self.inputs, key=lambda name: (name in self.defaults, name))
        return ", ".join(map(self._describe_input, names)) or "none"

    def _describe_input(self, name: str) -> str:
        text = f"{name} {describe(self.inputs[name].dtype, self.inputs[name].shape)}"
        if name not in self.defaults:
            return text
        return f"{text} = {str(self.defaults[name].tolist())[:40]}"


def pick(signatures: Mapping[str, Signature], name: str) -> Signature:
    """One of the signatures.

    Raises:
        ValueError: if it does not exist.
    """
    if name not in signatures:
        raise ValueError(
            f"The model has no signature of that name. Received: signature='{name}'. It has: "
            f"{', '.join(sorted(signatures)) or 'none'}."
        )
    return signatures[name]


def read_signatures(metadata: Any) -> dict[str, Signature]:
    """Reads TensorFlow Serving's metadata.

    Args:
        metadata: `{"metadata": {"signature_def": {"signature_def": {name: ...}}}}`: the JSON form
            of `GetModelMetadataResponse`, in which 64-bit integers are strings and bytes base64.

    Returns:
        Name -> signature.

    Raises:
        ServingError: if it is something else.
    """
    try:
        found = metadata["metadata"]["signature_def"]["signature_def"]
        return {
            # "__saved_model_init_op" is TensorFlow's own.
            name: _read_signature(name, signature)
            for name, signature in found.items()
            if not name.startswith("__")
        }
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ServingError(
            "INTERNAL",
            "What answers there does not describe its model as TensorFlow Serving does "
            f"({type(error).__name__}: {error}).",
        ) from error


def _read_signature(name: str, signature: dict[str, Any]) -> Signature:
    return Signature(
        name,
        {key: _read_info(info) for key, info in signature.get("inputs", {}).items()},
        {key: _read_info(info) for key, info in signature.get("outputs", {}).items()},
        {key: _read_tensor(proto) for key, proto in signature.get("defaults", {}).items()},
    )


def _read_info(info: dict[str, Any]) -> TensorInfo:
    return TensorInfo(str(info["dtype"]), _read_shape(info.get("tensor_shape", {})))


def _read_shape(shape: dict[str, Any]) -> Shape:
    if shape.get("unknown_rank"):
        return None
    # A size of 0 is left out by some writers of JSON.
    sizes = [int(dim.get("size", 0)) for dim in shape.get("dim", [])]
    return tuple(None if size < 0 else size for size in sizes)


def _read_tensor(proto: dict[str, Any]) -> np.ndarray:
    """A `TensorProto` in its JSON form; strings become an array of `bytes`."""
    info = _read_info({"dtype": proto["dtype"], "tensor_shape": proto.get("tensor_shape", {})})
    if info.shape is None or None in info.shape or info.dtype not in FIELDS:
        raise ValueError(f"a default of {describe(info.dtype, info.shape)}")
    size = math.prod(info.shape)
    if size > _MAX_DEFAULT_ELEMENTS:
        raise ValueError(f"a default of {size} values")
    content = _from_base64(proto.get("tensor_content", ""))
    if content:
        return np.frombuffer(content, DTYPES[info.dtype]).reshape(info.shape)
    values = proto.get(FIELDS[info.dtype], [])
    if info.dtype == "DT_STRING":
        array = np.array([_from_base64(value) for value in values], dtype=object)
    elif DTYPES[info.dtype].kind in "iu":
        array = np.array([int(value) for value in values], DTYPES[info.dtype])
    else:
        array = np.array([float(value) for value in values]).astype(DTYPES[info.dtype])
    # TensorFlow leaves out final values that repeat the one before, and zeros altogether.
    if size > len(array):
        last = array[-1] if len(array) else b"" if info.dtype == "DT_STRING" else 0
        array = np.concatenate([array, np.full(size - len(array), last, array.dtype)])
    return array.reshape(info.shape)


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
