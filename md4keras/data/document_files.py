"""Documents in the files that people have: text, records by lines or columns, sequences."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from md4keras.data.document_readers import PLAIN, READERS, RECORDS, ending, read_records
from md4keras.data.folders import check_bad, files_below, name_in, opening, printable
from md4keras.data.plain_text import BadFile


class Document(NamedTuple):
    """A document: the name of its file with its place in it, and its text.

    Example:

    >>> md4keras.data.Document(id="notes.jsonl/0", text="A text.").text
    'A text.'
    """

    id: str
    text: str


class DocumentFiles:
    """Files of documents, read one document at a time: made by `documents` or `records`.

    Attributes:
        path: of the folder, or of the only file.
        files: list of paths, in order.
        fields: tuple of str, the columns or entries of a record that are read; the first one holds
            the text of a document.
        skipped: list of dictionaries of `"name"` and `"reason"`, files that cannot be used.
        ignored: list of paths, files of other kinds.
    """

    def __init__(self, path: Path, files: list, fields: tuple, skipped: list, ignored: list):
        self.path, self.files, self.fields = path, files, fields
        self.skipped, self.ignored = skipped, ignored

    def __iter__(self) -> Iterator[Document]:
        for file in self.files:
            yield from self.read(file)

    def read(self, file: Path) -> Iterator[Document]:
        """The documents of one of the files; errors as of `texts`."""
        name = name_in(self.path, file)
        for place, (text, *_) in self.texts(file):
            yield Document(name if place is None else f"{name}:{place}", text)

    def texts(self, file: Path) -> Iterator[tuple[int | str | None, tuple[str, ...]]]:
        """The places of the documents of one of the files, each with the texts of all fields.

        Raises:
            ValueError: where the file turns out to be damaged, naming it and the place.
        """
        name = name_in(self.path, file)
        try:
            yield from read_records(file, self.fields)
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
    return _opened(path, (field,), skip_bad, READERS)


def records(path, fields: tuple[str, ...], skip_bad: bool = False) -> DocumentFiles:
    """The records of files that have several fields, which `DocumentFiles.texts` gives.

    Args:
        path, skip_bad: as of `documents`; files that hold no records count as of other kinds.
        fields: strings, the names of the columns or entries.

    Raises:
        ValueError: as of `documents`.
    """
    return _opened(path, fields, skip_bad, RECORDS)


def _opened(path, fields: tuple, skip_bad: bool, kinds) -> DocumentFiles:
    """The files of these kinds (endings), each read up to its first document."""
    path = Path(path).expanduser()
    files, others = _files(path, kinds)
    good, bad = [], []
    for file in files:
        try:
            if next(read_records(file, fields), None) is None:
                raise BadFile("it is empty")
            good.append(file)
        except BadFile as error:
            bad.append({"name": name_in(path, file), "reason": str(error)})
    check_bad(bad, len(good), skip_bad, _EXPECTED, path)
    return DocumentFiles(path, good, fields, bad, others)


def holds_documents(path) -> bool:
    """Whether a path holds documents but no plain text, which `md4keras.data.text_files` reads.

    Plain text is a file of text that is not packed; of a folder `.txt` files alone. Files of no use
    to either, such as pictures, do not count.

    Example:

    >>> [holds_documents(name) for name in ("a.jsonl", "a.txt.gz", "a.txt", "a")]
    [True, True, False, False]
    """
    path = Path(path).expanduser()
    try:
        inside = path.is_dir()
        files = [
            file for file in (files_below(path) if inside else [path]) if ending(file) in READERS
        ]
    except OSError:  # whoever reads it tells
        return False
    plain = {".txt"} if inside else PLAIN
    return bool(files) and not any(file.suffix.lower() in plain for file in files)


def _files(path: Path, kinds) -> tuple[list[Path], list[Path]]:
    """The files with these endings, packed or not, and the other ones."""
    with opening(path, "a folder of documents"):
        found = files_below(path) if path.is_dir() else [path] if path.exists() else []
    files = [file for file in found if ending(file) in kinds]
    others = [file for file in found if ending(file) not in kinds]
    if not files:
        there = f" with {len(others)} other files, such as {others[0].name!r}" if others else ""
        what = "documents" if kinds is READERS else "records"
        raise ValueError(
            f"There are no {what} at this path. Expected {_expected(what, kinds)}. "
            f"Received: path={printable(path)!r}{there}. Check the spelling, or the ending."
        )
    return files, others


def _expected(what: str, kinds) -> str:
    return f"{what} in UTF-8: {', '.join(sorted(kinds))}, each also with .gz"


_EXPECTED = _expected("documents", READERS)
