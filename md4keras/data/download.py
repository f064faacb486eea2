"""Downloads that go on where they stopped, and are checked before anything uses them."""

import contextlib
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from md4keras.data.folders import reason_of

_SECONDS = 30  # without any data, after which an attempt ends
_PAUSES = (0, 1, 5, 20)  # seconds before each attempt
_CHUNK = 2**20


def download(
    url: str,
    path: str | os.PathLike,
    sha256: str | None = None,
    size: int | None = None,
    headers: dict[str, str] | None = None,
) -> Path:
    """Fetches a file to a path, whole and checked, or not at all; returns the path.

    What has come is kept beside it, as `NAME.partial`, and the next attempt or call asks for the
    rest. A file that stands at the path is not fetched.

    Args:
        url: of the file, by HTTP or HTTPS.
        path: where to; its folder is made.
        sha256: str, the checksum; `None` where none is known.
        size: int, bytes; `None` for what the server says.
        headers: further ones for this server (not for those it sends on to).

    Raises:
        ValueError: if it cannot be fetched in several attempts, or is another file.
        OSError: if it cannot be written.
    """
    path = Path(path)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    if size is not None and partial.exists() and partial.stat().st_size == size:
        return _finished(url, partial, path, sha256, size)  # stopped at the very end
    reason = ""
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            total = _fetch_rest(url, partial, headers or {})
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            if error.code == 416:  # there is no such rest: what is there is another file's
                partial.unlink(missing_ok=True)
            elif error.code < 500 and error.code not in (408, 429):
                break
        except _Broken as error:
            reason = str(error)
        else:
            size = size or total
            have = partial.stat().st_size
            if size is None or have >= size:
                return _finished(url, partial, path, sha256, size)
            reason = f"it ended after {have} of {size} bytes"
    kept = partial.stat().st_size if partial.exists() else 0
    raise ValueError(
        f"{path.name} could not be fetched: {reason}. Expected the published file at its server. "
        f"Received: url={url!r}, {kept} bytes so far. Run it again, it goes on from there; or copy "
        "the file from a machine with network and name its place."
    )


def _fetch_rest(url: str, partial: Path, headers: dict) -> int | None:
    """Fetches what is not there yet; returns the whole size, if the server tells."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    with _over_network():
        opened = urllib.request.urlopen(request, timeout=_SECONDS)
    with opened as answer:
        if answer.status != 206:  # all of it, whatever was asked for
            have = 0
        length = answer.headers.get("Content-Length")
        with open(partial, "ab" if have else "wb") as file:
            while chunk := _read(answer):
                file.write(chunk)
    return have + int(length) if length is not None else None


class _Broken(Exception):
    """The network failed, whatever the error was; what the disk does is another matter."""


@contextlib.contextmanager
def _over_network():
    try:
        yield
    except urllib.error.HTTPError:  # an answer
        raise
    except TimeoutError as error:
        raise _Broken(f"no data came for {_SECONDS} seconds") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _read(answer) -> bytes:
    with _over_network():
        return answer.read(_CHUNK)


def _finished(url: str, partial: Path, path: Path, sha256: str | None, size: int | None) -> Path:
    """Moves a checked file to its place; removes one that is another, and says so."""
    with open(partial, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest() if sha256 else None
    have = partial.stat().st_size
    if found != sha256 or (size is not None and have != size):
        partial.unlink()
        raise ValueError(
            f"What was fetched is not the published file, and was removed. Expected SHA-256 "
            f"{sha256 or 'of any value'} and {size or 'any number of'} bytes. Received: url={url!r}"
            f" with {found or 'SHA-256 not asked'} and {have} bytes. Run it again; if it stays so, "
            "the file has changed at its server."
        )
    os.replace(partial, path)
    return path


def words_of(error: OSError) -> str:
    """Why a disk cannot be read or written, with its file."""
    where = f" ({error.filename})" if error.filename else ""
    return f"{reason_of(error)}{where}"
