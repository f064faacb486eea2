"""One request: from an address and values to arrays."""

import dataclasses
import math
import re
import time
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import numpy as np

from md4keras.client.rest import RestServer
from md4keras.client.rpc import RpcServer
from md4keras.client.signatures import Signature, pick, read_signatures

# Seconds. Sampling is a loop over the network: on a CPU, minutes are nothing unusual.
DEFAULT_TIMEOUT = 600.0

_REST_PATH = re.compile(r"(?P<prefix>.*)/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+))?/?")
_RPC_PATH = re.compile(r"/(?P<name>[^/:]+)(/(?P<version>\d+))?/?")


class Server(Protocol):
    """What REST and gRPC have in common; `timeout` is in seconds."""

    def metadata(self, timeout: float) -> Any: ...

    def predict(
        self, signature: Signature, inputs: dict[str, np.ndarray], timeout: float
    ) -> dict[str, np.ndarray]: ...


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a model is served; `version` is `None` for the newest."""

    scheme: str
    host: str
    port: int | None
    prefix: str
    name: str
    version: int | None


def request(
    address: str,
    signature: str = "serving_default",
    inputs: Mapping[str, Any] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> dict[str, np.ndarray]:
    """Asks a model on TensorFlow Serving.

    The server is asked for the model's signatures first; so names, dtypes and shapes are checked
    before anything is computed, and inputs that are left out take the model's defaults.

    Args:
        address: str, `http://HOST:8501/v1/models/NAME` (or `https`; `/versions/N` may follow), or
            `grpc://HOST:8500/NAME` (`/N` may follow).
        signature: str, what to run: `generate`, `infill_text`, ...
        inputs: name -> array, number, string or nested list of them; converted to the dtype that
            the signature has where nothing is lost.
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
    if not (timeout > 0 and math.isfinite(timeout)):
        raise ValueError(
            f"A request takes a positive number of seconds. Received: timeout={timeout}. Leave it "
            f"out for {DEFAULT_TIMEOUT:.0f}."
        )
    server = connect(parse_address(address))
    deadline = time.monotonic() + timeout
    asked = pick(read_signatures(server.metadata(timeout)), signature)
    values = asked.complete(inputs or {})
    # At least a moment, so that it is the exchange that says that time is up.
    return server.predict(asked, values, max(deadline - time.monotonic(), 0.001))


def connect(address: Address) -> Server:
    """What speaks to the server at an address; nothing is sent yet.

    Raises:
        ImportError: if a package for it is not installed.
    """
    if address.scheme == "grpc":
        return RpcServer(f"{address.host}:{address.port}", address.name, address.version)
    version = "" if address.version is None else f"/versions/{address.version}"
    path = f"{address.prefix}/v1/models/{address.name}{version}"
    return RestServer(address.scheme == "https", address.host, address.port, path)


def parse_address(text: str) -> Address:
    """Reads an address as `request` takes it.

    Raises:
        ValueError: if it is malformed.
    """
    expected = (
        f"Received: address='{text}'. Write http://HOST:8501/v1/models/NAME, with /versions/N for "
        "one version, or grpc://HOST:8500/NAME, with /N."
    )
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(f"An address has no spaces and no characters outside ASCII. {expected}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"The host and port cannot be read: {error}. {expected}") from error
    pattern = {"http": _REST_PATH, "https": _REST_PATH, "grpc": _RPC_PATH}.get(parts.scheme)
    match = pattern and pattern.fullmatch(parts.path)
    odd = parts.query or parts.fragment or "@" in parts.netloc or not host
    if not match or odd or (parts.scheme == "grpc" and port is None):
        raise ValueError(f"This is no address of a served model. {expected}")
    if parts.scheme == "grpc":
        host, name = f"[{host}]" if ":" in host else host, unquote(match["name"])
    else:
        name = match["name"]
    prefix = match.groupdict().get("prefix") or ""
    version = match["version"] and int(match["version"])
    return Address(parts.scheme, host, port, prefix, name, version)
