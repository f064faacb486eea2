"""Fetching published data: with progress, a limit of size and time, and a checksum."""

import hashlib
import os
import tempfile
import urllib.request
import zipfile
from pathlib import Path

import keras

TEXT8_URL = "http://mattmahoney.net/dc/text8.zip"
TEXT8_ZIP_BYTES = 31_344_016
TEXT8_ZIP_SHA256 = "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"
TEXT8_CHARACTERS = 100_000_000
TEXT8_MD5 = "3bea1919949baf155f99411df5fada7e"  # of the text inside

_CHUNK = 2**20


def text8(path=None) -> tuple[str, str, str]:
    """The first 100 million characters of cleaned English Wikipedia, in 27 symbols.

    The plain text is checked against the published MD5, whichever way it came.

    Args:
        path: A local copy: `text8.zip`, the unpacked file `text8`, or a folder that holds one of
            them. By default it is fetched once to `~/.cache/md4keras/text8.zip` (31 MB).

    Returns:
        Training, validation and test text: 90, 5 and 5 million characters of `TEXT8_ALPHABET`.

    Raises:
        ValueError: The copy is missing, damaged or something else, or the download fails.

    Reference:
        - [About the Test Data (Mahoney, 2011)](http://mattmahoney.net/dc/textdata.html)
    """
    if path is None:
        path = Path.home() / ".cache" / "md4keras" / "text8.zip"
        if not path.exists():
            download(TEXT8_URL, path, TEXT8_ZIP_BYTES, TEXT8_ZIP_SHA256)
    data = _read_text8(_find_text8(Path(path).expanduser()))
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if len(data) != TEXT8_CHARACTERS or found != TEXT8_MD5:
        raise ValueError(
            f"This is not text8: expected {TEXT8_CHARACTERS} characters with MD5 {TEXT8_MD5}. "
            f"Received: path={str(path)!r} with {len(data)} bytes and MD5 {found}. "
            "Delete it and fetch it anew; other text is read by `read_text`."
        )
    text = data.decode("ascii")
    return text[:90_000_000], text[90_000_000:95_000_000], text[95_000_000:]


def _find_text8(path: Path) -> Path:
    candidates = [path / "text8", path / "text8.zip"] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ValueError(
        "There is no text8 at this path: expected text8.zip, the unpacked text8, or a folder with "
        f"one of them. Received: path={str(path)!r}. Name the file, or leave the path out to "
        "fetch it."
    )


def _read_text8(file: Path) -> bytes:
    """At most one byte more than text8 has, packed or not."""
    try:
        if not zipfile.is_zipfile(file):
            with open(file, "rb") as stream:
                return stream.read(TEXT8_CHARACTERS + 1)
        with zipfile.ZipFile(file) as archive, archive.open("text8") as stream:
            return stream.read(TEXT8_CHARACTERS + 1)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(
            f"This copy of text8 cannot be read ({error}): expected the archive with its one "
            f"member `text8`. Received: path={str(file)!r}. Delete it and fetch it anew."
        ) from error


def download(url: str, path, num_bytes: int, sha256: str, timeout: float = 30.0) -> Path:
    """Fetches a file of known size and checksum; what stands at `path` is whole or not there.

    Args:
        url: Where the file lies.
        path: Where it shall lie; missing folders are made.
        num_bytes: Its size. Not a byte more is taken.
        sha256: Its SHA-256, in hexadecimal.
        timeout: Seconds without any data after which the attempt ends.

    Returns:
        `path`.

    Raises:
        ValueError: The network fails, or another file came. The message says what to do.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    digest, received = hashlib.sha256(), 0
    print(f"Fetching {url}")
    try:
        with os.fdopen(handle, "wb") as file:
            progress = keras.utils.Progbar(num_bytes, unit_name="byte")
            with urllib.request.urlopen(url, timeout=timeout) as response:
                while chunk := response.read(min(_CHUNK, num_bytes + 1 - received)):
                    file.write(chunk)
                    digest.update(chunk)
                    received += len(chunk)
                    progress.update(min(received, num_bytes))
        if received != num_bytes or digest.hexdigest() != sha256:
            raise ValueError(
                f"Another file came than was published: expected {num_bytes} bytes with SHA-256 "
                f"{sha256}. Received: at least {received} bytes, SHA-256 {digest.hexdigest()}. "
                "Try again; if it persists, get the file elsewhere and name its path."
            )
        os.replace(partial, path)
    except OSError as error:
        raise ValueError(
            f"The file could not be fetched ({error}): expected access to its server. "
            f"Received: url={url!r}, path={str(path)!r}. "
            "Get it on a machine with network, copy it here and name its path."
        ) from error
    finally:
        Path(partial).unlink(missing_ok=True)
    return path
