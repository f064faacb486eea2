"""text8, 100 million characters of cleaned English Wikipedia."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

from md4keras.data.download import download
from md4keras.data.source import Source, Splits
from md4keras.files import write_whole

URL = "http://mattmahoney.net/dc/text8.zip"
ZIP_SHA256 = "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"
CHARACTERS = 100_000_000
MD5 = "3bea1919949baf155f99411df5fada7e"  # of the text inside
PARTS = (90_000_000, 95_000_000)  # where training and validation end


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
                download(URL, path, ZIP_SHA256)
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


def prepare_text8(folder: Path, source=None, say: Callable[[str], None] = print) -> Path:
    """Puts the checked text into a folder, from which `text8(folder)` reads it.

    Args:
        folder: path; it is made.
        source: path of a local copy, as of `text8`; `None` to fetch it.
        say: function that is told how far it is.

    Returns:
        The path of the text.

    Raises:
        ValueError: as of `text8`.
    """
    path = folder / "text8"
    if path.is_file():
        text8(path)  # checks it
        say(f"'{path}' is prepared already")
        return path
    archive = None
    if source is None:
        archive = folder / "text8.zip"
        say(f"fetching {URL} (31 MB)")
        download(URL, archive, ZIP_SHA256)
    splits = text8(source or archive)
    write_whole(path, "".join(splits[:3]).encode("ascii"))
    if archive:
        archive.unlink()
    say(f"'{path}': {CHARACTERS:,} characters")
    return path


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
