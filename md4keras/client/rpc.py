"""TensorFlow Serving's gRPC interface, by `grpcio` and `tensorflow-serving-api`."""

import contextlib
import math
from typing import Any

import numpy as np

from md4keras.client.errors import ServingError
from md4keras.client.signatures import FIELDS, Signature, TensorInfo
from md4keras.client.values import DTYPES, MAX_RESPONSE_BYTES, describe, to_text

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
)


class RpcServer:
    """A model behind `host:port`, asked directly, without proxies and without TLS.

    Args:
        target: str, `host:port`.
        name: str, of the model.
        version: int, or `None` for the newest.

    Raises:
        ImportError: if a package for gRPC is not installed.
    """

    def __init__(self, target: str, name: str, version: int | None):
        try:
            import grpc
            from google.protobuf import json_format
            from tensorflow_serving.apis import (
                get_model_metadata_pb2,
                predict_pb2,
                prediction_service_pb2_grpc,
            )
        except ImportError as error:
            raise ImportError(
                'Requests by gRPC need tensorflow-serving-api: pip install "md4keras[serving]". '
                "Requests by REST (http://HOST:8501/v1/models/NAME) need nothing more."
            ) from error
        self._grpc, self._json_format = grpc, json_format
        self._metadata_request = get_model_metadata_pb2.GetModelMetadataRequest
        self._predict_request = predict_pb2.PredictRequest
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub
        self._target, self._name, self._version = target, name, version

    def metadata(self, timeout: float) -> Any:
        """The model's metadata, in the form that REST's JSON has."""
        message = self._metadata_request(metadata_field=["signature_def"])
        self._name_model(message.model_spec)
        with self._stub_on_channel(timeout) as stub:
            answer = stub.GetModelMetadata(message, timeout=timeout)
        try:
            return self._json_format.MessageToDict(answer, preserving_proto_field_name=True)
        except (self._json_format.Error, TypeError) as error:
            raise ServingError("INTERNAL", f"The metadata cannot be read: {error}") from error

    def predict(
        self, signature: Signature, inputs: dict[str, np.ndarray], timeout: float
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Raises:
            ServingError: if the server does not give an answer that can be read.
        """
        message = self._predict_request()
        self._name_model(message.model_spec)
        message.model_spec.signature_name = signature.name
        for name, array in inputs.items():
            _fill(message.inputs[name], array, signature.inputs[name].dtype)
        with self._stub_on_channel(timeout) as stub:
            answer = stub.Predict(message, timeout=timeout)
        missing = signature.outputs.keys() - answer.outputs.keys()
        if missing:
            raise ServingError("INTERNAL", f"The answer lacks {', '.join(sorted(missing))}.")
        return {name: _read(name, answer.outputs[name], i) for name, i in signature.outputs.items()}

    def _name_model(self, spec) -> None:
        spec.name = self._name
        if self._version is not None:
            spec.version.value = self._version

    @contextlib.contextmanager
    def _stub_on_channel(self, timeout: float):
        """A stub on a channel of its own, whose errors are turned into `ServingError`."""
        try:
            with self._grpc.insecure_channel(self._target, options=_OPTIONS) as channel:
                yield self._stub(channel)
        except self._grpc.RpcError as error:
            raise self._refusal(error.code().name, error.details() or "", timeout) from error

    def _refusal(self, status: str, details: str, timeout: float) -> ServingError:
        if status == "DEADLINE_EXCEEDED":
            details = (
                f"No answer within {timeout:.3g} seconds. Allow more, or ask for less: fewer "
                "samples or fewer steps."
            )
        elif status == "UNAVAILABLE" and details.startswith(("failed to connect", "DNS")):
            details = (
                f"No server answers at {self._target} ({details}). See that it runs, and that "
                "this is its port for gRPC."
            )
        return ServingError(status, details)


def _fill(proto, array: np.ndarray, dtype: str) -> None:
    """Writes an array into a `TensorProto`."""
    proto.dtype = proto.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_name[dtype].number
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if dtype == "DT_STRING":
        proto.string_val.extend(array.ravel().tolist())
    else:
        little = DTYPES[dtype].newbyteorder("<")
        proto.tensor_content = np.ascontiguousarray(array, little).tobytes()


def _read(name: str, proto, info: TensorInfo) -> np.ndarray:
    """Reads a `TensorProto`."""
    numbers = proto.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_number
    dtype = numbers[proto.dtype].name if proto.dtype in numbers else str(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    try:
        if dtype != info.dtype or dtype not in FIELDS:
            raise ValueError(f"it is of type {dtype}")
        array = _read_values(proto, dtype)
        # Servers write out every value; a shape that promises more is not to be filled up.
        if len(array) != math.prod(shape) or min(shape, default=0) < 0:
            raise ValueError(f"{len(array)} values for the shape {list(shape)}")
        return array.reshape(shape)
    except ValueError as error:
        raise ServingError(
            "INTERNAL",
            f"The output '{name}' should be {describe(info.dtype, info.shape)}, but: {error}.",
        ) from error


def _read_values(proto, dtype: str) -> np.ndarray:
    if dtype == "DT_STRING":
        texts = [item.decode("utf-8", errors="replace") for item in proto.string_val]
        return to_text(np.array(texts, dtype=object))
    if proto.tensor_content:
        little = DTYPES[dtype].newbyteorder("<")
        return np.frombuffer(proto.tensor_content, little).astype(DTYPES[dtype])
    return np.array(getattr(proto, FIELDS[dtype]), DTYPES[dtype])
