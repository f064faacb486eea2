"""Readers of the kinds of files that hold documents, by their endings."""

import csv
import functools
import gzip
import io
import json
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from md4keras.data.folders import reason_of
from md4keras.data.plain_text import (
    BadFile,
    check_beginning,
    check_regular,
    decode_line,
    decode_text,
)
from md4keras.files import import_optional

PLAIN = (".txt", ".text", ".md")
_AT_ONCE = 256  # rows of a Parquet file in memory
_PACKED = ".gz"


def ending(file: Path) -> str:
    """The ending that tells the kind of a file, packed or not."""
    return Path(file.name.lower().removesuffix(_PACKED)).suffix


def read_records(file: Path, fields: tuple) -> Iterator[tuple[int | str | None, tuple[str, ...]]]:
    """Places in a file, each with its texts; any mistake in the file is a `BadFile`."""
    try:
        check_regular(file)
        packed = file.name.lower().endswith(_PACKED)
        with gzip.open(file) if packed else open(file, "rb") as stream:
            yield from READERS[ending(file)](stream, fields)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadFile(f"it is damaged, or not packed by gzip ({error})") from error
    except OSError as error:
        raise BadFile(reason_of(error)) from error


def _read_text(stream, fields):
    yield None, (decode_text(stream.read()),)


def _read_lines(stream, fields):
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
        yield number, tuple(_text_of(record, field, f"line {number}") for field in fields)


def _text_of(record: dict, field: str, place: str) -> str:
    if field not in record:
        raise BadFile(f"{place} has no {field!r}, but {_some(record)}")
    if not isinstance(record[field], str):
        raise BadFile(f"{field!r} of {place} is no text, but {str(record[field])[:40]!r}")
    return record[field]


def _read_table(stream, fields, delimiter: str):
    """`.csv` and `.tsv`: the names of the columns in the first line."""
    check_beginning(stream.peek(8)[:8] if hasattr(stream, "peek") else b"")
    csv.field_size_limit(sys.maxsize)  # a document may have more than its 131,072 characters
    lines = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        names = next(rows, None)
        if names is None:
            return
        for field in fields:
            if names.count(field) != 1:
                raise BadFile(f"it has {names.count(field)} columns {field!r} among {_some(names)}")
        columns = [names.index(field) for field in fields]
        for number, row in enumerate(rows, 1):
            if row and len(row) != len(names):
                raise BadFile(f"row {number} has {len(row)} columns rather than {len(names)}")
            if row:
                yield number, tuple(row[column] for column in columns)
    except csv.Error as error:
        raise BadFile(f"line {rows.line_num} is no row of a table ({error})") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"it is not UTF-8 near line {rows.line_num + 1}") from error
    finally:
        lines.detach()


def _read_parquet(stream, fields):
    pyarrow = import_optional("pyarrow", "reads Parquet files")
    parquet = import_optional("pyarrow.parquet", "reads Parquet files", "pyarrow")
    try:
        with _seekable(stream) as seekable:
            file = parquet.ParquetFile(seekable)
            kinds = {each.name: each.type for each in file.schema_arrow}
            is_text = (pyarrow.types.is_string, pyarrow.types.is_large_string)
            for field in fields:
                if field not in kinds:
                    raise BadFile(f"it has no column {field!r}, but {_some(kinds)}")
                if not any(check(kinds[field]) for check in is_text):
                    raise BadFile(f"its column {field!r} is no text, but {kinds[field]}")
            number = 0
            for batch in file.iter_batches(_AT_ONCE, columns=list(fields), use_threads=False):
                columns = [batch.column(field).to_pylist() for field in fields]
                for texts in zip(*columns, strict=True):
                    number += 1
                    yield number, tuple(text or "" for text in texts)
    except pyarrow.ArrowException as error:
        raise BadFile(f"it is damaged, or no Parquet ({str(error)[:100]})") from error


def _seekable(stream):
    """A stream in which one can go back and forth: what is packed is unpacked to a hidden file."""
    if not isinstance(stream, gzip.GzipFile):
        return stream
    unpacked = tempfile.TemporaryFile()
    shutil.copyfileobj(stream, unpacked)
    return unpacked


def _read_sequences(stream, fields):
    """FASTA: a line `>name ...`, then the sequence on any number of lines."""
    name, parts, position = None, [], 0
    for number, line in enumerate(stream, 1):
        text = decode_line(line, position).strip()
        position += len(line)
        if text.startswith(">"):
            if name is not None:
                yield name, ("".join(parts),)
            words = text[1:].split()
            name, parts = words[0] if words else str(number), []
        elif text and name is None:
            raise BadFile(f"line {number} comes before any line that begins with '>'")
        else:
            parts.append(text)
    if name is not None:
        yield name, ("".join(parts),)


def _some(names) -> str:
    """What is there in place of a field, and how it can be read as it is."""
    shown = list(names)[:8]
    more = ", ..." if len(names) > 8 else ""
    if {"prompt", "answer"} <= set(names):
        more += " (rows=pairs trains on these)"
    return ", ".join(map(repr, shown)) + more or "nothing"


RECORDS = {
    **dict.fromkeys((".jsonl", ".ndjson"), _read_lines),
    ".csv": functools.partial(_read_table, delimiter=","),
    ".tsv": functools.partial(_read_table, delimiter="\t"),
    ".parquet": _read_parquet,
}
"""Endings of files of records, and their readers."""

READERS = {
    **dict.fromkeys(PLAIN, _read_text),
    **RECORDS,
    **dict.fromkeys((".fasta", ".fa", ".fna", ".faa", ".ffn", ".frn"), _read_sequences),
}
