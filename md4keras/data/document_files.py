"""Documents in the files that people have: text, records by lines or columns, sequences."""

import csv
import functools
import gzip
import io
import json
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from md4keras.data.folders import check_bad, files_below, name_in, opening, printable, reason_of
from md4keras.data.plain_text import (
    BadFile,
    check_beginning,
    check_regular,
    decode_line,
    decode_text,
)
from md4keras.files import import_optional

_AT_ONCE = 256  # rows of a Parquet file in memory
_PACKED = ".gz"


class Document(NamedTuple):
    """A document: the name of its file with its place in it, and its text."""

    id: str
    text: str


class DocumentFiles:
    """Files of documents, read one document at a time: made by `documents`.

    Attributes:
        path: of the folder, or of the only file.
        files: list of paths, in order.
        field: str, the column or entry that holds the text of a record.
        skipped: list of dictionaries of `"name"` and `"reason"`, files that cannot be used.
        ignored: list of paths, files of other kinds.
    """

    def __init__(self, path: Path, files: list, field: str, skipped: list, ignored: list):
        self.path, self.files, self.field = path, files, field
        self.skipped, self.ignored = skipped, ignored

    def __iter__(self) -> Iterator[Document]:
        for file in self.files:
            yield from self.read(file)

    def read(self, file: Path) -> Iterator[Document]:
        """The documents of one of the files.

        Raises:
            ValueError: where the file turns out to be damaged, naming it and the place.
        """
        name = name_in(self.path, file)
        try:
            for place, text in _records(file, self.field):
                yield Document(name if place is None else f"{name}:{place}", text)
        except BadFile as error:
            check_bad([{"name": name, "reason": str(error)}], 0, False, _EXPECTED, self.path)


def documents(path, field: str = "text", skip_bad: bool = False) -> DocumentFiles:
    r"""The documents of a file, or of all files of a folder that hold some.

    | ending | a document is |
    |---|---|
    | `.txt`, `.text`, `.md` | the file |
    | `.jsonl`, `.ndjson` | the entry `field` of a line |
    | `.parquet`, `.csv`, `.tsv` | the column `field` of a row |
    | `.fasta`, `.fa`, `.fna`, `.faa`, `.ffn`, `.frn` | a sequence |

    each also packed, with `.gz` at its end. They are read one after another, in the order of the
    files' paths, so that no more than one document (of Parquet 256) is in memory. Hidden files and
    links to folders are passed over, and files of other kinds, which `ignored` lists.

    Args:
        path: of a file or a folder.
        field: str, the name of the column or entry with the text.
        skip_bad: bool, whether files that cannot be used are left out; otherwise they are an error.

    Returns:
        A `DocumentFiles`: iterate over it for documents, any number of times.

    Raises:
        ValueError: if there are no such files, or for bad ones, all of which the message names.
            Each file is read up to its first document; damage behind it is found, and named, when
            it is read.

    Example:

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "pairs.jsonl")
    >>> _ = file.write_text('{"text": "one"}\n{"text": "two"}\n')
    >>> [tuple(document) for document in documents(file)]
    [('pairs.jsonl:1', 'one'), ('pairs.jsonl:2', 'two')]
    """
    path = Path(path).expanduser()
    files, others = _files(path)
    good, bad = [], []
    for file in files:
        try:
            if next(_records(file, field), None) is None:
                raise BadFile("it is empty")
            good.append(file)
        except BadFile as error:
            bad.append({"name": name_in(path, file), "reason": str(error)})
    check_bad(bad, len(good), skip_bad, _EXPECTED, path)
    return DocumentFiles(path, good, field, bad, others)


def holds_documents(path) -> bool:
    """Whether a file holds many documents, records or sequences; or a folder such files alone.

    (Files of no use, such as pictures, do not count.)

    >>> [holds_documents(name) for name in ("a.jsonl", "a.csv.gz", "a.txt", "a")]
    [True, True, False, False]
    """
    path = Path(path).expanduser()
    try:
        files = files_below(path) if path.is_dir() else [path]
    except OSError:  # whoever reads it tells
        return False
    readers = {_reader(file) for file in files} - {None}
    return bool(readers) and _read_text not in readers


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    """The files that should hold documents, and the other ones."""
    with opening(path, "a folder of documents"):
        found = files_below(path) if path.is_dir() else [path] if path.exists() else []
    files = [file for file in found if _reader(file)]
    others = [file for file in found if not _reader(file)]
    if not files:
        there = f" with {len(others)} other files, such as {others[0].name!r}" if others else ""
        raise ValueError(
            f"There are no documents at this path. Expected {_EXPECTED}. "
            f"Received: path={printable(path)!r}{there}. Check the spelling, or the ending."
        )
    return files, others


def _reader(file: Path) -> Callable | None:
    name = file.name.lower().removesuffix(_PACKED)
    return _READERS.get(Path(name).suffix)


def _records(file: Path, field: str) -> Iterator[tuple[int | str | None, str]]:
    """Places in a file, each with its text; any mistake in the file is a `BadFile`."""
    try:
        check_regular(file)
        packed = file.name.lower().endswith(_PACKED)
        with gzip.open(file) if packed else open(file, "rb") as stream:
            yield from _reader(file)(stream, field)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadFile(f"it is damaged, or not packed by gzip ({error})") from error
    except OSError as error:
        raise BadFile(reason_of(error)) from error


def _read_text(stream, field):
    yield None, decode_text(stream.read())


def _read_lines(stream, field):
    """`.jsonl`: an object a line."""
    position = 0
    for number, line in enumerate(stream, 1):
        encoding = "utf-8-sig" if number == 1 else "utf-8"
        if number == 1:
            check_beginning(line)
        text = decode_line(line, position, encoding)
        position += len(line)
        if text.isspace():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadFile(f"line {number} is no JSON ({error})") from error
        if not isinstance(record, dict):
            raise BadFile(f"line {number} is no JSON object")
        yield number, _text_of(record, field, f"line {number}")


def _text_of(record: dict, field: str, place: str) -> str:
    if field not in record:
        raise BadFile(f"{place} has no {field!r}, but {_some(record, field)}")
    if not isinstance(record[field], str):
        raise BadFile(f"{field!r} of {place} is no text, but {str(record[field])[:40]!r}")
    return record[field]


def _read_table(stream, field, delimiter: str):
    """`.csv` and `.tsv`: the names of the columns in the first line."""
    check_beginning(stream.peek(8)[:8] if hasattr(stream, "peek") else b"")
    csv.field_size_limit(sys.maxsize)  # a document may have more than its 131,072 characters
    lines = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        names = next(rows, None)
        if names is None:
            return
        if names.count(field) != 1:
            raise BadFile(
                f"it has {names.count(field)} columns {field!r} among {_some(names, field)}"
            )
        column = names.index(field)
        for number, row in enumerate(rows, 1):
            if row and len(row) != len(names):
                raise BadFile(f"row {number} has {len(row)} columns rather than {len(names)}")
            if row:
                yield number, row[column]
    except csv.Error as error:
        raise BadFile(f"line {rows.line_num} is no row of a table ({error})") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"it is not UTF-8 near line {rows.line_num + 1}") from error
    finally:
        lines.detach()


def _read_parquet(stream, field):
    pyarrow = import_optional("pyarrow", "reads Parquet files")
    parquet = import_optional("pyarrow.parquet", "reads Parquet files", "pyarrow")
    try:
        with _seekable(stream) as seekable:
            file = parquet.ParquetFile(seekable)
            kinds = {each.name: each.type for each in file.schema_arrow}
            if field not in kinds:
                raise BadFile(f"it has no column {field!r}, but {_some(kinds, field)}")
            is_text = (pyarrow.types.is_string, pyarrow.types.is_large_string)
            if not any(check(kinds[field]) for check in is_text):
                raise BadFile(f"its column {field!r} is no text, but {kinds[field]}")
            number = 0
            for batch in file.iter_batches(_AT_ONCE, columns=[field], use_threads=False):
                for text in batch.column(0).to_pylist():
                    number += 1
                    yield number, text or ""
    except pyarrow.ArrowException as error:
        raise BadFile(f"it is damaged, or no Parquet ({str(error)[:100]})") from error


def _seekable(stream):
    """A stream in which one can go back and forth: what is packed is unpacked to a hidden file."""
    if not isinstance(stream, gzip.GzipFile):
        return stream
    unpacked = tempfile.TemporaryFile()
    shutil.copyfileobj(stream, unpacked)
    return unpacked


def _read_sequences(stream, field):
    """FASTA: a line `>name ...`, then the sequence on any number of lines."""
    name, parts, position = None, [], 0
    for number, line in enumerate(stream, 1):
        text = decode_line(line, position).strip()
        position += len(line)
        if text.startswith(">"):
            if name is not None:
                yield name, "".join(parts)
            words = text[1:].split()
            name, parts = words[0] if words else str(number), []
        elif text and name is None:
            raise BadFile(f"line {number} comes before any line that begins with '>'")
        else:
            parts.append(text)
    if name is not None:
        yield name, "".join(parts)


def _some(names, field: str) -> str:
    """What is there in place of a field, and how it can be read as it is."""
    shown = list(names)[:8]
    pairs = field == "text" and {"prompt", "answer"} <= set(names)
    more = (", ..." if len(names) > 8 else "") + (" (rows=pairs trains on these)" if pairs else "")
    return ", ".join(map(repr, shown)) + more or "nothing"


_READERS = {
    **dict.fromkeys((".txt", ".text", ".md"), _read_text),
    **dict.fromkeys((".jsonl", ".ndjson"), _read_lines),
    ".csv": functools.partial(_read_table, delimiter=","),
    ".tsv": functools.partial(_read_table, delimiter="\t"),
    ".parquet": _read_parquet,
    **dict.fromkeys((".fasta", ".fa", ".fna", ".faa", ".ffn", ".frn"), _read_sequences),
}
_EXPECTED = f"documents in UTF-8: {', '.join(sorted(_READERS))}, each also with .gz"
