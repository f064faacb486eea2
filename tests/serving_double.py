"""TensorFlow Serving's stand-in: a real SavedModel in a session, behind its protocols.

The server itself is no Python package. What a client can tell apart is written here after its
source (`predict_util.cc`, `json_tensor.cc`, `http_rest_api_handler.cc`, `http_rest_api_util.cc`,
`get_model_metadata_impl.cc`): the real protocol messages over real sockets, the signature run by
feeds and fetches as the server runs it, defaults filled in for gRPC and demanded of JSON, errors
with its status codes and words.

```python
with ServingDouble(folder, name="model") as server:
    client.request(server.rest_address, "generate", {"num_samples": 2})
    client.request(server.grpc_address, "generate", {"num_samples": 2})
```
"""

import contextlib
import time
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving_json import Refusal, rest_server


class ServingDouble:
    """Serves the version folders in a folder, as `--model_base_path=folder` does.

    Args:
        folder: path that holds `1/`, `2/`, ..., of which the newest is served.
        name: str, of the model.
        batching: bool, as `--enable_batching`: scalar inputs are refused.
        delay: float, seconds before each run, for timeouts.
        ports: for REST and for gRPC; 0 for a free one.
    """

    def __init__(self, folder, name="model", batching=False, delay=0.0, ports=(0, 0)):
        self.name, self.batching, self.delay, self.ports = name, batching, delay, ports
        self.version = max(int(path.name) for path in Path(folder).iterdir() if path.name.isdigit())
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            path = str(Path(folder) / str(self.version))
            graph = tf.compat.v1.saved_model.load(self.session, ["serve"], path)
        self.signatures = dict(graph.signature_def)
        self.requests = []  # (signature, names of the inputs that were sent)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self.session.close)
            rest_port = stack.enter_context(rest_server(self, self.ports[0]))
            server = grpc.server(futures.ThreadPoolExecutor(4))
            prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
                GrpcService(self), server
            )
            grpc_port = server.add_insecure_port(f"127.0.0.1:{self.ports[1]}")
            server.start()
            stack.callback(lambda: server.stop(None).wait())
            self.rest_port, self.grpc_port = rest_port, grpc_port
            self.rest_address = f"http://127.0.0.1:{rest_port}/v1/models/{self.name}"
            self.grpc_address = f"grpc://127.0.0.1:{grpc_port}/{self.name}"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stack.close()

    def check_model(self, name, version=None):
        """Refuses models and versions that are not served."""
        if name != self.name or version not in (None, self.version):
            wanted = f"Specific({name}, {version})" if version else f"Latest({name})"
            raise Refusal("NOT_FOUND", f"Servable not found for request: {wanted}")

    def metadata(self):
        """The model's signatures, in the server's message."""
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.metadata["signature_def"].Pack(signatures)
        return response

    def predict(self, name, inputs):
        """Runs a signature.

        Args:
            name: str; empty for `serving_default`.
            inputs: name -> `TensorProto`.

        Returns:
            Name -> `TensorProto`.
        """
        name = name or "serving_default"
        if name not in self.signatures:
            raise Refusal("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        signature = self.signatures[name]
        self.requests.append((name, set(inputs)))
        values = self._input_values(signature, inputs)
        if self.batching and any(value.ndim == 0 for value in values.values()):
            raise Refusal(
                "INVALID_ARGUMENT",
                "Batching session Run() input tensors must have at least one dimension.",
            )
        time.sleep(self.delay)
        try:
            outputs = self.session.run(
                {alias: info.name for alias, info in signature.outputs.items()},
                {signature.inputs[alias].name: value for alias, value in values.items()},
            )
        except tf.errors.OpError as error:
            # Python's session puts a heading of its own before the runtime's message.
            message = error.message.removeprefix("Graph execution error:\n\n")
            raise Refusal(error_codes_pb2.Code.Name(error.error_code), message) from error
        except (ValueError, TypeError) as error:  # Python's session checks shapes before running
            raise Refusal("INVALID_ARGUMENT", str(error)) from error
        return {
            alias: to_proto(outputs[alias], info.dtype) for alias, info in signature.outputs.items()
        }

    def _input_values(self, signature, inputs):
        wanted, given = set(signature.inputs), set(inputs)
        if len(given) > len(wanted) or (len(given) < len(wanted) and not signature.defaults):
            raise Refusal(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {len(given)}!={len(wanted)} "
                f"len({{{','.join(sorted(given))}}}) != len({{{','.join(sorted(wanted))}}}). Sent "
                f"extra: {{{','.join(sorted(given - wanted))}}}. Missing but required: "
                f"{{{','.join(sorted(wanted - given))}}}.",
            )
        values = {}
        for alias, info in signature.inputs.items():
            proto = inputs.get(alias) or signature.defaults.get(alias)
            if proto is None:
                raise Refusal(
                    "INVALID_ARGUMENT",
                    f'Signature input "{alias}" not found in input and no default value provided.',
                )
            if proto.dtype != info.dtype:
                expected, found = tf.as_dtype(info.dtype).name, tf.as_dtype(proto.dtype).name
                raise Refusal(
                    "INVALID_ARGUMENT",
                    f"Expects arg[0] to be {expected} but {found} is provided",
                )
            values[alias] = tf.make_ndarray(proto)
        return values


class GrpcService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata`."""

    def __init__(self, model):
        self.model = model

    def Predict(self, request, context):
        with aborting(context):
            self._check_model(request.model_spec)
            name = request.model_spec.signature_name
            outputs = self.model.predict(name, dict(request.inputs))
            response = predict_pb2.PredictResponse()
            response.model_spec.CopyFrom(request.model_spec)
            response.model_spec.version.value = self.model.version
            for alias, proto in outputs.items():
                response.outputs[alias].CopyFrom(proto)
            return response

    def GetModelMetadata(self, request, context):
        with aborting(context):
            if list(request.metadata_field) != ["signature_def"]:
                raise Refusal("INVALID_ARGUMENT", "Metadata field %s is not supported")
            self._check_model(request.model_spec)
            return self.model.metadata()

    def _check_model(self, spec):
        version = spec.version.value if spec.HasField("version") else None
        self.model.check_model(spec.name, version)


@contextlib.contextmanager
def aborting(context):
    """Ends the call with the status of a refusal."""
    try:
        yield
    except Refusal as refusal:
        context.abort(grpc.StatusCode[refusal.status], refusal.message)


def to_proto(array, dtype):
    """An output as the server writes it: every value in the field of its dtype."""
    array, dtype = np.asarray(array), tf.as_dtype(dtype)
    proto = tf.make_tensor_proto([], dtype)
    proto.ClearField("tensor_content")
    proto.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    fields = {
        tf.string: proto.string_val,
        tf.float32: proto.float_val,
        tf.int64: proto.int64_val,
        tf.bool: proto.bool_val,
    }
    fields.get(dtype, proto.int_val).extend(array.ravel().tolist())
    return proto
