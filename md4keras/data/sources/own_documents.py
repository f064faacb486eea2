"""The user's own documents, each kept apart from the others, in memory."""

from collections.abc import Callable, Iterable

from md4keras.data import held_out
from md4keras.data.document_files import documents
from md4keras.data.folders import facts_of_files, printable
from md4keras.data.source import Source, Splits, Stream

MOST_CHARACTERS = 2**30  # in memory


class OwnDocuments(Source):
    """The documents of a file or a folder (`md4keras.data.documents`), some held out.

    Example:

    >>> from pathlib import Path
    >>> lines = "".join(f'{{"text": "document {i}"}}\\n' for i in range(4))
    >>> Path("mine.jsonl").write_text(lines)
    92
    >>> read = md4keras.data.own_documents("mine.jsonl", validation_fraction=0.25)
    >>> len(read.training), len(read.validation)
    (3, 1)
    """

    name, kind = "own_documents", "text"
    licence, home = "your own", "a path"
    baselines = ("n-grams",)

    def __call__(
        self,
        path,
        validation_fraction: float | None = 0.1,
        field: str = "text",
        skip_bad: bool = False,
    ) -> Splits:
        """Two lists of texts, one text a document; empty ones are left out.

        Args:
            path: of a file, or of a folder.
            validation_fraction: float in `(0, 1)`, the part that is held out, spread evenly over
                the documents; `None` for nothing.
            field: str, the entry or column with the text.
            skip_bad: bool, as of `md4keras.data.documents`.

        Raises:
            ValueError: if there are none, or too few to hold any out, or more than fit in memory.
        """
        files = documents(path, field, skip_bad)
        texts = read_bounded((each.text for each in files), files.path)
        texts = [text for text in texts if text.strip()]
        training, validation, split = hold_out(texts, validation_fraction, "documents", files.path)
        facts = _facts(files, len(texts), sum(map(len, texts)), split)
        return Splits(training, validation, facts=facts)

    def stream(
        self,
        path,
        validation_fraction: float | None = 0.1,
        field: str = "text",
        skip_bad: bool = False,
    ) -> Splits:
        """The same documents, with no more of them in memory than `md4keras.data.documents` has.

        Args:
            path, validation_fraction, field, skip_bad: as of a call.

        Returns:
            `Splits` of two `Stream`s of strings, one text a document.
        """
        held_out.check_fraction(validation_fraction)
        files = documents(path, field, skip_bad)

        def texts():
            return (each.text for each in files if each.text.strip())

        count = characters = 0
        for text in texts():
            count += 1
            characters += len(text)
        is_held, split = held_out.of_items(count, validation_fraction, "documents", files.path)

        def part(held):
            return (text for number, text in enumerate(texts()) if is_held(number) == held)

        facts = _facts(files, count, characters, split)
        validation = None if validation_fraction is None else Stream(lambda: part(True))
        return Splits(Stream(lambda: part(False)), validation, facts=facts)


own_documents = OwnDocuments()


def _facts(files, count: int, characters: int, split: str) -> dict:
    """What is said of documents that were read from files."""
    name = OwnDocuments.name
    facts = facts_of_files(name, files.path, files.files, files.skipped, files.ignored)
    return facts | {"documents": count, "characters": characters, "split": split}


def read_bounded(texts: Iterable, path, length: Callable = len) -> list:
    """All texts, or pairs of them, if they fit in memory; else a `ValueError`.

    Args:
        texts: an iterable.
        path: where they are.
        length: function of one of them that returns its characters.
    """
    found, size = [], 0
    for text in texts:
        found.append(text)
        size += length(text)
        if size > MOST_CHARACTERS:
            raise ValueError(
                f"The documents are too large for memory. Expected {MOST_CHARACTERS:,} characters "
                f"at most. Received: path={printable(path)!r} with more. Prepare them, and name "
                "the prepared folder: md4keras data prepare PATH --out FOLDER."
            )
    return found


def hold_out(items: list, fraction: float | None, what: str, path) -> tuple[list, list | None, str]:
    """What is trained on, what is held out, and a sentence on it; see `held_out.of_items`."""
    is_held, how = held_out.of_items(len(items), fraction, what, path)
    kept, held = [], []
    for number, item in enumerate(items):
        (held if is_held(number) else kept).append(item)
    return kept, None if fraction is None else held, how
