"""One request: from an address and values to arrays."""

import re
import time
from base64 import b64decode
from collections import namedtuple
from http.client import HTTPException
from urllib.parse import unquote

import numpy as np

from md4keras.checks import Interval, check_name, check_number
from md4keras.client import servers
from md4keras.client.errors import ServingError, reading
from md4keras.client.signatures import read_signatures

# Seconds. Sampling is a loop over the network: on a CPU, minutes are nothing unusual.
DEFAULT_TIMEOUT = 600.0

_HOST = r"(?P<host>[\w.-]+|\[[^\[\]/@?#]+\])"
_REST = rf"(?P<scheme>(?i:https?))://{_HOST}(:(?P<port>\d+))?(?P<prefix>(/[^?#]*)?)/v1/models/"
_REST += r"(?P<name>[^/:?#]+)(/versions/(?P<version>\d+))?/?"
_GRPC = rf"(?P<scheme>(?i:grpc))://{_HOST}:(?P<port>\d+)(?P<prefix>)/"
_GRPC += r"(?P<name>[^/:?#]+)(/(?P<version>\d+))?/?"

# Where a model is served: the port is `None` for the scheme's own, the version for the newest.
Address = namedtuple("Address", "scheme host port prefix name version")


def request(address: str, signature: str = "serving_default", inputs=None, timeout=DEFAULT_TIMEOUT):
    """Asks a model on TensorFlow Serving.

    The server is asked for the model's signatures first; so names, dtypes and shapes are checked
    before anything is computed, and inputs that are left out take the model's defaults.

    Args:
        address: str, `http://HOST:8501/v1/models/NAME` (or `https`; `/versions/N` may follow), or
            `grpc://HOST:8500/NAME` (`/N` may follow).
        signature: str, what to run: `generate`, `infill_text`, ...
        inputs: dictionary, name -> array, number, string or nested list of them; converted to the
            dtype that the signature has where nothing is lost.
        timeout: float, seconds for the whole request.

    Returns:
        Name -> array, as the signature names its outputs. Strings are arrays of `str` (NumPy drops
        NUL characters at their ends); bytes in them that are no UTF-8 become U+FFFD.

    Raises:
        ValueError: if the address is malformed, the signature or an input does not exist, an input
            is missing or does not fit, or the timeout is not positive.
        ServingError: if the server refuses the request or cannot be reached.
        ImportError: if the address begins with `grpc` and a package for it is not installed.
    """
    mend = "Give a positive number of seconds."
    check_number("timeout", timeout, Interval(with_low=False), mend)
    place = parse_address(address)
    server = servers.Grpc(place) if place.scheme == "grpc" else servers.Rest(place)
    deadline = time.monotonic() + timeout
    try:
        known = read_signatures(server.metadata(deadline))
        check_name("signature", signature, sorted(known))
        values = known[signature].complete(signature, inputs or {})
        with reading("The answer is none of TensorFlow Serving's"):
            outputs = server.predict(signature, known[signature], values, deadline)
            return {name: _finished(array) for name, array in outputs.items()}
    except TimeoutError as error:
        message = f"No answer within {timeout:.3g} seconds. Allow more, or ask for fewer steps."
        raise ServingError("DEADLINE_EXCEEDED", message) from error
    except (OSError, HTTPException) as error:
        where = place.host if place.port is None else f"{place.host}:{place.port}"
        mend = f"See that it runs, and that this is its port for {place.scheme}."
        message = f"No server answers at {where} ({error or type(error).__name__}). {mend}"
        raise ServingError("UNAVAILABLE", message) from error


def parse_address(text: str) -> Address:
    """Reads an address as `request` takes it; raises a `ValueError` if it is malformed."""
    match = re.fullmatch(_REST, text, re.ASCII) or re.fullmatch(_GRPC, text, re.ASCII)
    port = match and match["port"] and int(match["port"])
    if not match or not re.fullmatch(r"[!-~]+", text) or (port or 0) >= 2**16:
        raise ValueError(
            f"This is no address of a served model. Received: address='{text}'. Write "
            "http://HOST:8501/v1/models/NAME[/versions/N] or grpc://HOST:8500/NAME[/N], in ASCII."
        )
    scheme, version = match["scheme"].lower(), match["version"] and int(match["version"])
    name = unquote(match["name"]) if scheme == "grpc" else match["name"]
    return Address(scheme, match["host"], port, match["prefix"], name, version)


def _finished(array: np.ndarray) -> np.ndarray:
    """An output for the user: `str` in place of objects, which are `str`, `bytes` or base64."""
    if array.dtype != object:
        return array
    texts = [b64decode(i["b64"], validate=True) if isinstance(i, dict) else i for i in array.flat]
    texts = [i.decode("utf-8", "replace") if isinstance(i, bytes) else i for i in texts]
    longest = max(map(str.__len__, texts), default=0)  # refuses what is no string
    if 4 * longest * len(texts) > servers.MAX_RESPONSE_BYTES:  # all get the room of the longest
        raise ValueError(f"{len(texts)} strings of up to {longest} characters are too many")
    return np.array(texts, dtype=str).reshape(array.shape)
