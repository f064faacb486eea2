"""TensorFlow Serving's REST interface, by the standard library."""

import base64
import http.client
import json
import socket
import time
from typing import Any

import numpy as np

from md4keras.client.errors import ServingError
from md4keras.client.signatures import Signature, TensorInfo
from md4keras.client.values import DTYPES, MAX_RESPONSE_BYTES, describe, to_text

MAX_METADATA_BYTES = 16 * 2**20

# As TensorFlow Serving turns status codes into HTTP's. It says 400 for FAILED_PRECONDITION and
# OUT_OF_RANGE as well, and 500 for UNKNOWN and DATA_LOSS.
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RestServer:
    """A model behind `http://host:port/path`, asked directly: no proxies, no redirects.

    Args:
        secure: bool, whether by TLS.
        host: str.
        port: int, or `None` for the scheme's own.
        path: str, `/v1/models/NAME` or `/v1/models/NAME/versions/N`.
    """

    def __init__(self, secure: bool, host: str, port: int | None, path: str):
        self._connection = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._port, self._path = host, port, path

    def metadata(self, timeout: float) -> Any:
        """The model's metadata, as the server's JSON has it."""
        return self._ask("GET", "/metadata", None, MAX_METADATA_BYTES, timeout)

    def predict(
        self, signature: Signature, inputs: dict[str, np.ndarray], timeout: float
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Raises:
            ServingError: if the server does not give an answer that can be read.
        """
        values = {name: _encode(array) for name, array in inputs.items()}
        body = json.dumps({"signature_name": signature.name, "inputs": values}).encode()
        answer = self._ask("POST", ":predict", body, MAX_RESPONSE_BYTES, timeout)
        try:
            outputs = answer["outputs"]
            if len(signature.outputs) == 1:  # then the server leaves out the name
                outputs = dict.fromkeys(signature.outputs, outputs)
            return {
                name: _decode(name, outputs[name], info) for name, info in signature.outputs.items()
            }
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ServingError(
                "INTERNAL", f"The answer is none of TensorFlow Serving's: {error}"
            ) from error

    def _ask(self, method: str, path: str, body: bytes | None, limit: int, timeout: float) -> Any:
        """Sends one request; returns the JSON of the answer."""
        try:
            status, content = self._exchange(method, self._path + path, body, limit, timeout)
        except TimeoutError as error:
            raise ServingError(
                "DEADLINE_EXCEEDED",
                f"No answer within {timeout:.3g} seconds. Allow more, or ask for less: fewer "
                "samples or fewer steps.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            where = self._host if self._port is None else f"{self._host}:{self._port}"
            raise ServingError(
                "UNAVAILABLE",
                f"No server answers at {where} ({error or type(error).__name__}). See that it "
                "runs, and that this is its port for REST.",
            ) from error
        text = content.decode("utf-8", errors="replace")
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if status != 200:
            raise _refusal(status, answer, text)
        if answer is None:
            raise ServingError("INTERNAL", f"The answer is no JSON: {text[:200]!r}")
        return answer

    def _exchange(
        self, method: str, path: str, body: bytes | None, limit: int, timeout: float
    ) -> tuple[int, bytes]:
        deadline = time.monotonic() + timeout
        connection = self._connection(self._host, self._port, timeout=timeout)
        try:
            connection.connect()
            channel = connection.sock  # `connection` forgets it once an answer begins
            _set_remaining(channel, deadline)
            headers = {"Content-Type": "application/json", "Connection": "close"}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = bytearray()
            while True:
                _set_remaining(channel, deadline)
                piece = response.read1(2**16)
                content += piece
                if not piece:
                    return response.status, bytes(content)
                if len(content) > limit:
                    raise ServingError(
                        "RESOURCE_EXHAUSTED",
                        f"The answer is longer than {limit // 2**20} MiB. Ask for less at once.",
                    )
        finally:
            connection.close()


def _set_remaining(channel: socket.socket, deadline: float) -> None:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    channel.settimeout(remaining)


def _refusal(status: int, answer: Any, text: str) -> ServingError:
    name = _STATUS.get(status, f"HTTP_{status}")
    if isinstance(answer, dict) and isinstance(answer.get("error"), str):
        return ServingError(name, answer["error"])
    # Something else than TensorFlow Serving: another program on that port, a proxy
    return ServingError(name, f"HTTP {status}: {' '.join(text.split())[:200]}")


def _encode(array: np.ndarray) -> Any:
    """Nested lists; strings as they are where they are UTF-8, else `{"b64": ...}`."""
    if array.dtype.kind != "O":
        return array.tolist()
    encoded = np.empty(array.shape, dtype=object)
    for place, item in np.ndenumerate(array):
        encoded[place] = _encode_bytes(item)
    return encoded.tolist()


def _encode_bytes(item: bytes) -> Any:
    try:
        return item.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(item).decode()}


def _decode(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    if info.dtype != "DT_STRING":
        return np.asarray(value, DTYPES[info.dtype])
    items = np.array(value, dtype=object)
    texts = np.empty(items.shape, dtype=object)
    for place, item in np.ndenumerate(items):
        if isinstance(item, dict):  # outputs whose names end in "_bytes"
            item = base64.b64decode(item["b64"], validate=True).decode("utf-8", errors="replace")
        if not isinstance(item, str):
            raise ValueError(f"{name} is {describe(info.dtype, info.shape)}, not {item!r:.40}")
        texts[place] = item
    return to_text(texts)
