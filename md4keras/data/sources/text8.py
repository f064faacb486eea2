"""text8, 100 million characters of cleaned English Wikipedia."""

import hashlib
import socket
import zipfile
from pathlib import Path

import keras

from md4keras.data.source import Source, Splits
from md4keras.files import whole_file

URL = "http://mattmahoney.net/dc/text8.zip"
ZIP_SHA256 = "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"
CHARACTERS = 100_000_000
MD5 = "3bea1919949baf155f99411df5fada7e"  # of the text inside
PARTS = (90_000_000, 95_000_000)  # where training and validation end
_SECONDS = 30  # without any data, after which a download ends


class Text8(Source):
    """The first 100 million characters of cleaned English Wikipedia, in 27 symbols.

    90 million characters are for training, 5 for validation and 5 for the test, as published. The
    text is checked against the published MD5, whichever way it came.

    Reference: Mahoney 2011, *About the Test Data*.
    """

    name, kind = "text8", "text"
    licence, home = "Wikipedia's: CC BY-SA and GFDL", "http://mattmahoney.net/dc/textdata.html"
    baselines = ("n-grams",)

    def __call__(self, path=None) -> Splits:
        """Three texts in `md4keras.tokenizers.TEXT8_ALPHABET`.

        Args:
            path: of a local copy: `text8.zip`, the unpacked file `text8`, or a folder that holds
                one of them; `None` to fetch it once to `~/.cache/md4keras/text8.zip` (31 MB).

        Raises:
            ValueError: if the copy is missing, damaged or something else, or the download fails.
        """
        if path is None:
            path = Path.home() / ".cache" / "md4keras" / "text8.zip"
            if not path.exists():
                _fetch(path)
        data = _read(Path(path).expanduser())
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if len(data) != CHARACTERS or found != MD5:
            raise ValueError(
                f"This is not text8. Expected {CHARACTERS} characters with MD5 {MD5}. "
                f"Received: path={str(path)!r} with {len(data)} bytes and MD5 {found}. "
                "Delete it and fetch it anew; other text is read by `text_files`."
            )
        text, (first, second) = data.decode("ascii"), PARTS
        facts = {
            "source": self.name,
            "characters": CHARACTERS,
            "split": "characters 90 to 95 million are held out, and the last 5 for the test",
            "fingerprint": hashlib.sha256(data).hexdigest(),
        }
        return Splits(text[:first], text[first:second], text[second:], facts=facts)


text8 = Text8()


def _fetch(path: Path) -> None:
    # `get_file` writes to the file's own place and leaves half of it there when it is killed, and
    # it would wait for ever.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)
    try:
        with whole_file(path) as partial:
            place = dict(cache_dir=partial.parent, cache_subdir="", force_download=True)
            keras.utils.get_file(partial.name, URL, file_hash=ZIP_SHA256, **place)
    except Exception as error:  # Keras turns network errors into plain ones
        raise ValueError(
            f"text8 could not be fetched ({error}). Expected the published file at its server. "
            f"Received: url={URL!r}. Copy it from a machine with network and name its path."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _read(path: Path) -> bytes:
    """At most one byte more than text8 has, packed or not."""
    file = next((f for f in (path / "text8", path / "text8.zip") if f.is_file()), path)
    try:
        if not zipfile.is_zipfile(file):
            with open(file, "rb") as stream:
                return stream.read(CHARACTERS + 1)
        with zipfile.ZipFile(file) as archive, archive.open("text8") as stream:
            return stream.read(CHARACTERS + 1)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(
            f"There is no text8 to read ({error}). Expected text8.zip, the text, or a folder with "
            f"one of them. Received: path={str(path)!r}. Without a path it is fetched."
        ) from error
