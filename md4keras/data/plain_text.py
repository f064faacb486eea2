"""Text in UTF-8, told from what only looks like it."""

import io
import json
from pathlib import Path

_BEGINNINGS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"%PDF": "a PDF",
    b"{\\rtf": "RTF",
    b"PK\3\4": "an archive or an office document",
    b"\x1f\x8b": "packed (gzip)",
    b"BZh": "packed (bzip2)",
    b"\xfd7zXZ": "packed (xz)",
    b"\x28\xb5\x2f\xfd": "packed (zstd)",
    b"PAR1": "Parquet",
}


class BadFile(Exception):
    """A file that cannot be used; its words say why."""


def decode_text(data: bytes) -> str:
    r"""The text of a file, with line breaks as `"\n"`.

    Raises:
        BadFile: for what is empty, not UTF-8, of another kind (a PDF, something packed), or
            records: JSON objects line by line.

    Example:

    >>> decode_text("né\r\n".encode())
    'né\n'
    """
    check_beginning(data)
    text = decode_line(data, 0, "utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise BadFile("it is empty")
    if all(_is_json_object(line) for line in io.StringIO(text) if not line.isspace()):
        raise BadFile("each line is a JSON object, a record: write its text alone to the file")
    return text


def check_regular(file: Path) -> None:
    """Raises `BadFile` for what is no regular file, and `OSError` where there is nothing."""
    if not file.is_file():
        file.stat()
        raise BadFile("it is no regular file")


def check_beginning(data: bytes) -> None:
    """Raises `BadFile` for bytes that begin as no text does."""
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            raise BadFile(f"it is {kind}, not text in UTF-8")


def decode_line(data: bytes, position: int, encoding: str = "utf-8") -> str:
    """Bytes from this position of a file, as text; `BadFile` where they are none."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        byte = f"byte 0x{data[error.start]:02x}"
        raise BadFile(f"it is not UTF-8: {byte} at position {position + error.start}") from error
    if "\0" in text:
        raise BadFile(f"it is not text: a zero byte at position {position + text.index(chr(0))}")
    return text


def _is_json_object(line: str) -> bool:
    try:
        return line.lstrip().startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
