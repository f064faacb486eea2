"""TensorFlow Serving's interfaces, REST and gRPC, asked directly: no proxies, no redirects.

A deadline is a moment of `time.monotonic()`. Both raise a `TimeoutError` then, `ServingError` where
the server refuses, and `OSError` or `HTTPException` where none answers.
"""

import contextlib
import http.client
import json
import math
import time
from base64 import b64encode

import numpy as np

from md4keras.client.errors import ServingError, reading
from md4keras.client.signatures import TYPES
from md4keras.files import import_optional

MAX_METADATA_BYTES = 16 * 2**20
MAX_RESPONSE_BYTES = 256 * 2**20

# As TensorFlow Serving turns status codes into HTTP's. It says 400 for FAILED_PRECONDITION and
# OUT_OF_RANGE as well, and 500 for UNKNOWN and DATA_LOSS. (200 is an answer that is no JSON.)
_STATUS = {200: "INTERNAL", 400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND"}
_STATUS |= {403: "PERMISSION_DENIED", 409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED"}
_STATUS |= {500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}

_OPTIONS = [("grpc.max_receive_message_length", MAX_RESPONSE_BYTES), ("grpc.enable_http_proxy", 0)]


class Rest:
    """The model at an `Address` whose scheme is `http` or `https`."""

    def __init__(self, address):
        self.address = address

    def metadata(self, deadline: float):
        """The model's metadata, in the form of the server's JSON."""
        return self._ask("/metadata", None, MAX_METADATA_BYTES, deadline)

    def predict(self, name: str, signature, inputs: dict, deadline: float) -> dict:
        """The outputs of a `SignatureDef` and its name, for complete inputs: name -> array."""
        asked = {"signature_name": name, "inputs": {k: v.tolist() for k, v in inputs.items()}}
        body = json.dumps(asked, default=lambda item: {"b64": b64encode(item).decode()}).encode()
        outputs = self._ask(":predict", body, MAX_RESPONSE_BYTES, deadline)["outputs"]
        if len(signature.outputs) == 1:  # then the server leaves out the name
            outputs = dict.fromkeys(signature.outputs, outputs)
        return {key: np.array(outputs[key], TYPES[i.dtype]) for key, i in signature.outputs.items()}

    def _ask(self, path: str, body: bytes | None, limit: int, deadline: float):
        scheme, host, port, prefix, name, version = self.address
        path = ("" if version is None else f"/versions/{version}") + path
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        connection = kind(host, port, timeout=_left(deadline))
        try:
            connection.connect()
            channel = connection.sock  # `connection` forgets it once an answer begins
            channel.settimeout(_left(deadline))
            headers = {"Content-Type": "application/json", "Connection": "close"}
            method = "POST" if body else "GET"
            connection.request(method, f"{prefix}/v1/models/{name}{path}", body, headers)
            response, content, piece = connection.getresponse(), bytearray(), b" "
            while piece and len(content) <= limit:
                channel.settimeout(_left(deadline))
                piece = response.read1(2**16)
                content += piece
        finally:
            connection.close()
        if len(content) > limit:
            message = f"The answer is longer than {limit // 2**20} MiB. Ask for less at once."
            raise ServingError("RESOURCE_EXHAUSTED", message)
        return _answer(response.status, content.decode("utf-8", "replace"))


def _answer(status: int, text: str):
    message = "The answer is no JSON" if status == 200 else f"HTTP {status}"
    message += f": {' '.join(text.split()):.200}"  # of another program on that port, or of a proxy
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
        answer = json.loads(text)
        if status == 200:
            return answer
        message = str(answer["error"])
    raise ServingError(_STATUS.get(status, f"HTTP_{status}"), message)


def _left(deadline: float) -> float:
    """Seconds until the deadline; there must be some."""
    if (seconds := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return seconds


class Grpc:
    """The model at an `Address` whose scheme is `grpc`, asked as `Rest` is."""

    def __init__(self, address):
        self.address = address
        purpose = "carries requests by gRPC (those by REST, http://..., need nothing more)"
        for name in ("tensorflow_serving.apis", "tensorflow"):
            self._tensorflow = import_optional(name, purpose, '"md4keras[serving]"')

    def metadata(self, deadline):
        from google.protobuf import json_format, message
        from tensorflow_serving.apis import get_model_metadata_pb2

        asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        answer = self._ask("GetModelMetadata", asked, deadline)
        with reading("The metadata cannot be read", json_format.Error, message.Error):
            return json_format.MessageToDict(answer, preserving_proto_field_name=True)

    def predict(self, name, signature, inputs, deadline):
        from tensorflow_serving.apis import predict_pb2

        def read(proto, dtype):
            # Each value takes a byte or more; a shape that promises more values is not filled up.
            if math.prod(dim.size for dim in proto.tensor_shape.dim) > proto.ByteSize():
                raise ValueError("too few values for a shape")
            return np.asarray(self._tensorflow.make_ndarray(proto), TYPES[dtype])

        asked = predict_pb2.PredictRequest(model_spec={"signature_name": name})
        for key, array in inputs.items():
            asked.inputs[key].CopyFrom(self._tensorflow.make_tensor_proto(array))
        outputs = dict(self._ask("Predict", asked, deadline).outputs)
        return {key: read(outputs[key], info.dtype) for key, info in signature.outputs.items()}

    def _ask(self, method: str, message, deadline: float):
        import grpc
        from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

        message.model_spec.name = self.address.name
        if self.address.version is not None:
            message.model_spec.version.value = self.address.version
        target = f"{self.address.host}:{self.address.port}"
        try:
            with grpc.insecure_channel(target, _OPTIONS) as channel:
                ask = getattr(PredictionServiceStub(channel), method)
                return ask(message, timeout=deadline - time.monotonic())
        except grpc.RpcError as error:
            status, details = error.code().name, error.details() or ""
            if status == "DEADLINE_EXCEEDED":
                raise TimeoutError from error
            if status == "UNAVAILABLE" and details.startswith(("failed to connect", "DNS")):
                raise ConnectionError(details) from error
            raise ServingError(status, details) from error
