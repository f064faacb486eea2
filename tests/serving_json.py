"""The REST half of `serving_double`: JSON to tensors and back, as TensorFlow Serving does it."""

import base64
import contextlib
import json
import re
from urllib.parse import unquote

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from tests import local_server

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
PREDICT = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict", re.IGNORECASE)
STATUS = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata)?", re.IGNORECASE)


class Refusal(Exception):
    """A status other than OK: its name, and the server's words."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


@contextlib.contextmanager
def rest_server(model, port=0):
    """Serves a `ServingDouble` on a port of this machine, by default a free one; gives the port."""

    class Handler(RestHandler):
        served = model

    with local_server.serving(Handler, port) as address:
        yield int(address.rpartition(":")[2])


class RestHandler(local_server.Handler):
    """`GET /v1/models/NAME[/versions/N][/metadata]` and `POST ...:predict`."""

    served = None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(STATUS, self.describe)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(PREDICT, lambda name, version: self.predict(name, version, body))

    def describe(self, name, version, metadata):
        self.served.check_model(name, version)
        if metadata:
            return metadata_json(self.served.metadata())
        status = {"error_code": "OK", "error_message": ""}
        state = {"version": str(self.served.version), "state": "AVAILABLE", "status": status}
        return json.dumps({"model_version_status": [state]}, indent=1)

    def predict(self, name, version, body):
        self.served.check_model(name, version)
        document = parse(body)
        signature = document.get("signature_name", "serving_default")
        if signature not in self.served.signatures:
            message = f'Serving signature name: "{signature}" not found in signature def'
            raise Refusal("INVALID_ARGUMENT", message)
        infos = self.served.signatures[signature].inputs
        rows, inputs = read_inputs(document, infos)
        return write_outputs(self.served.predict(signature, inputs), rows)

    def answer(self, pattern, respond):
        try:
            match = pattern.fullmatch(self.path)
            if not match:
                message = f"Malformed request: {self.command} {self.path}"
                raise Refusal("INVALID_ARGUMENT", message)
            name, version, *rest = match.groups()
            status, body = 200, respond(unquote(name), version and int(version), *rest)
        except Refusal as refusal:
            status = HTTP_STATUS.get(refusal.status, 500)
            body = json.dumps({"error": refusal.message}, indent=1)
        content = body.encode("utf-8", errors="surrogateescape")
        with contextlib.suppress(ConnectionError):  # a client that has given up
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)


def parse(body):
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Refusal("INVALID_ARGUMENT", f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise Refusal("INVALID_ARGUMENT", f"JSON Value: {document} Is not object")
    return document


def read_inputs(document, infos):
    """Returns whether rows were sent ("instances"), and name -> `TensorProto`."""
    if "instances" in document and "inputs" in document:
        raise Refusal("INVALID_ARGUMENT", "expecting only one of 'inputs' or 'instances' keys")
    if "instances" in document:
        return True, from_rows(document["instances"], infos)
    if "inputs" in document:
        return False, from_columns(document["inputs"], infos)
    raise Refusal("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")


def from_columns(value, infos):
    if not isinstance(value, dict) or is_base64(value):
        if len(infos) > 1:
            raise Refusal(
                "INVALID_ARGUMENT",
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map",
            )
        return {name: tensor(value, info.dtype) for name, info in infos.items()}
    inputs = {}
    for name, info in infos.items():
        if name not in value:
            message = f"Missing named input: {name} in 'inputs' object."
            raise Refusal("INVALID_ARGUMENT", message)
        inputs[name] = tensor(value[name], info.dtype)
    return inputs


def from_rows(rows, infos):
    if not isinstance(rows, list) or not rows:
        raise Refusal("INVALID_ARGUMENT", "No values in 'instances' array")
    columns = {name: [] for name in infos}
    for place, row in enumerate(rows):
        if not isinstance(row, dict) or is_base64(row):
            if len(infos) > 1:
                raise Refusal(
                    "INVALID_ARGUMENT",
                    "instances is a plain list, but expecting list of objects as multiple input "
                    "tensors required as per tensorinfo_map",
                )
            row = dict.fromkeys(infos, row)
        if row.keys() != infos.keys():
            raise Refusal(
                "INVALID_ARGUMENT",
                f"Failed to process element: {place} of 'instances' list. JSON object: "
                f"{json.dumps(row)} keys must be equal to: {','.join(sorted(infos))}",
            )
        for name, value in row.items():
            columns[name].append(value)
    return {name: tensor(column, infos[name].dtype) for name, column in columns.items()}


def tensor(value, dtype):
    """A `TensorProto` from nested lists, whose first elements give the shape."""
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    dtype = tf.as_dtype(dtype)
    values = []
    flatten(value, shape, 0, dtype, values)
    array = np.array(values, object if dtype == tf.string else dtype.as_numpy_dtype)
    return tf.make_tensor_proto(array.reshape(shape), dtype, shape)


def flatten(value, shape, level, dtype, values):
    if not isinstance(value, list):
        if level != len(shape):
            message = f"JSON Value: {json.dumps(value)} found at incorrect level: {level + 1}"
            raise Refusal("INVALID_ARGUMENT", message)
        values.append(element(value, dtype))
    elif level >= len(shape):
        message = f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        raise Refusal("INVALID_ARGUMENT", message)
    elif len(value) != shape[level]:
        raise Refusal(
            "INVALID_ARGUMENT",
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}",
        )
    else:
        for item in value:
            flatten(item, shape, level + 1, dtype, values)


def element(value, dtype):
    """One number, string or truth value; 1 is a float, but 1.0 and true are no integers."""
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if dtype == tf.string and is_base64(value):
        return base64.b64decode(value["b64"])
    if dtype == tf.string and isinstance(value, str):
        return value.encode()
    if dtype == tf.bool and isinstance(value, bool):
        return value
    if dtype.is_floating and (is_int or isinstance(value, float)):
        return float(value)
    if dtype.is_integer and is_int and dtype.min <= value <= dtype.max:
        return value
    raise Refusal(
        "INVALID_ARGUMENT",
        f"JSON Value: {json.dumps(value)} Type: {type(value).__name__} is not of expected type: "
        f"{dtype.name}",
    )


def is_base64(value):
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def write_outputs(outputs, rows):
    """`{"outputs": ...}`, for rows `{"predictions": [...]}`; one output goes without its name."""
    columns = {name: column(name, proto) for name, proto in outputs.items()}
    if rows:
        sizes = {len(value) if isinstance(value, list) else None for value in columns.values()}
        if None in sizes:
            raise Refusal("INVALID_ARGUMENT", "Tensor name has no shape information ")
        if len(sizes) > 1:
            raise Refusal("INVALID_ARGUMENT", "Tensor name has inconsistent batch size")
        names = list(columns)
        items = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        columns = {"": items if len(names) > 1 else columns[names[0]]}
    answer = columns if len(columns) > 1 else next(iter(columns.values()))
    return json.dumps({"predictions" if rows else "outputs": answer}, indent=1, ensure_ascii=False)


def column(name, proto):
    array = tf.make_ndarray(proto)
    if array.dtype.kind == "f":  # the digits that a float32 needs, not those of a float64
        return np.vectorize(lambda x: float(str(x)), otypes=[object])(array).tolist()
    if array.dtype.kind != "O":
        return array.tolist()
    # Bytes that are no UTF-8 are sent as they are, which is then no JSON in UTF-8.
    as_bytes = name.endswith("_bytes")
    encode = np.vectorize(
        lambda x: (
            {"b64": base64.b64encode(x).decode()}
            if as_bytes
            else x.decode("utf-8", errors="surrogateescape")
        ),
        otypes=[object],
    )
    return encode(array).tolist()


def metadata_json(response):
    """The JSON of two messages put together, as in `http_rest_api_util.cc`, with all fields."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    options = dict(preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    spec = json_format.MessageToJson(response.model_spec, **options)
    definitions = json_format.MessageToJson(signatures, **options)
    return f'{{\n"model_spec":{spec},\n"metadata": {{"signature_def": {definitions}}}\n}}\n'
