"""The user's own documents, each kept apart from the others, in memory."""

from md4keras.checks import Interval, check_number
from md4keras.data.document_files import documents
from md4keras.data.folders import facts_of_files, printable
from md4keras.data.source import Source, Splits

MOST_CHARACTERS = 2**30  # in memory


class OwnDocuments(Source):
    """The documents of a file or a folder (`md4keras.data.documents`), some held out."""

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
        facts = facts_of_files(self.name, files.path, files.files, files.skipped, files.ignored)
        facts |= {"documents": len(texts), "characters": sum(map(len, texts)), "split": split}
        return Splits(training, validation, facts=facts)


own_documents = OwnDocuments()


def read_bounded(texts, path) -> list[str]:
    """All texts, if they fit in memory; else a `ValueError`."""
    found, size = [], 0
    for text in texts:
        found.append(text)
        size += len(text)
        if size > MOST_CHARACTERS:
            raise ValueError(
                f"The documents are too large for memory. Expected {MOST_CHARACTERS:,} characters "
                f"at most. Received: path={printable(path)!r} with more. Prepare them, and name "
                "the prepared folder: md4keras data prepare PATH --out FOLDER."
            )
    return found


def hold_out(items: list, fraction: float | None, what: str, path) -> tuple[list, list | None, str]:
    """What is trained on, what is held out, and a sentence on it.

    Args:
        items: documents or pairs.
        fraction: float in `(0, 1)`, the part that is held out, evenly spread; `None` for nothing.
        what: str, the items' name.
        path: where they are.
    """
    if fraction is None:
        return items, None, "nothing is held out"
    inside = Interval(0, 1, with_low=False, with_high=False)
    check_number("validation_fraction", fraction, inside, "Use 0.1, for instance.")
    count = len(items)
    if count < 2:
        raise ValueError(
            f"There are too few {what} to hold any out. Expected two or more. Received: {count} in "
            f"path={printable(path)!r}. Add some; a single long text is split at its end with "
            "rows=windows."
        )
    held = {i for i in range(count) if int((i + 1) * fraction) > int(i * fraction)}
    if len(held) in (0, count):
        held = {count - 1}
    kept = [item for i, item in enumerate(items) if i not in held]
    how = f"{len(held):,} of {count:,} {what}, evenly spread, are held out"
    return kept, [items[i] for i in sorted(held)], how
