"""The user's own text."""

from pathlib import Path

from md4keras.data.source import Source, Splits
from md4keras.data.text import split_text


class TextFiles(Source):
    """A text file, or all `*.txt` files of a folder; the end of the text is for validation."""

    name, kind = "text_files", "text"
    licence, home = "your own", "a path"

    def __call__(
        self,
        path,
        validation_fraction: float | None = 0.1,
        min_characters: int = 1,
        max_bytes: int = 2**31,
    ) -> Splits:
        """Two texts, with line breaks as `"\\n"`.

        Args:
            path: of a text file in UTF-8, or of a folder whose `*.txt` files (in all sub-folders,
                in the order of their names) are joined by line breaks.
            validation_fraction: float in `(0, 1)`, the part that is held out; `None` for nothing.
            min_characters: int, the least length of the text.
            max_bytes: int, what all files may hold together.

        Raises:
            ValueError: if there is no text at `path`, or one that is blank, too short, too large
                or damaged. The message names the file.
        """
        path = Path(path).expanduser()
        parts, bytes_left = [], max_bytes
        for file in _files(path):
            data = _read(file, bytes_left)
            bytes_left -= len(data)
            parts.append(_decode(data, file))
        text = "\n".join(parts).replace("\r\n", "\n")
        if not text.strip() or len(text) < min_characters:
            raise ValueError(
                f"The text is empty or too short. Expected at least {min_characters} characters. "
                f"Received: path={str(path)!r} of {len(text)} characters. Choose a longer text."
            )
        if validation_fraction is None:
            return Splits(text, None)
        return Splits(*split_text(text, validation_fraction))


text_files = TextFiles()


def _files(path: Path) -> list[Path]:
    files = [path] if path.exists() else []
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.txt") if file.is_file())
    if not files:
        raise ValueError(
            "There is no text at this path. Expected a text file, or a folder with files `*.txt`. "
            f"Received: path={str(path)!r}. Check the spelling, or give the files this ending."
        )
    return files


def _read(file: Path, bytes_left: int) -> bytes:
    try:
        if not file.is_file():
            raise OSError("it is no regular file")
        size = file.stat().st_size
        if size > bytes_left:
            raise ValueError(
                "The text is too large. Expected at most `max_bytes` in all. Received: "
                f"{str(file)!r} of {size} bytes, {bytes_left} bytes left. Raise `max_bytes`."
            )
        with open(file, "rb") as stream:
            return stream.read(bytes_left)
    except OSError as error:
        raise ValueError(
            f"This file cannot be read ({error.strerror or error}). Expected a readable text file. "
            f"Received: path={str(file)!r}. Check its permissions."
        ) from error


def _decode(data: bytes, file: Path) -> str:
    try:
        text = data.decode("utf-8-sig")
        if "\0" not in text:
            return text
        position, found = text.index("\0"), "a zero byte"
    except UnicodeDecodeError as error:
        position, found = error.start, f"byte 0x{data[error.start]:02x}"
    raise ValueError(
        f"This file is not text. Expected UTF-8, found {found} at position {position}. "
        f"Received: path={str(file)!r}. Convert it to UTF-8, or leave it out."
    )
