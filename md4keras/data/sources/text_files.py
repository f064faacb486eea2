"""The user's own text."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from md4keras.data import held_out
from md4keras.data.folders import (
    check_bad,
    facts_of_files,
    files_below,
    name_in,
    opening,
    reason_of,
)
from md4keras.data.plain_text import BadFile, check_regular, decode_text
from md4keras.data.source import Source, Splits, Stream

_ENDING = ".txt"
_EXPECTED = "text in UTF-8"
_RECORDS = (".csv", ".ipynb", ".json", ".jsonl", ".ndjson", ".tsv", ".xml", ".html", ".htm")


class TextFiles(Source):
    """A text file, or all `*.txt` files of a folder, of which a part is for validation.

    A single file is split at its end. Of a folder, whole files are held out, evenly spread over
    their names. Where there are few files, or a very long one, so that this would be a single file
    or more than twice the asked part, each file is split at its end.

    Example:

    >>> from pathlib import Path
    >>> Path("mine.txt").write_text("what a text to learn from")
    25
    >>> md4keras.data.text_files("mine.txt", validation_fraction=0.2).validation
    ' from'
    """

    name, kind = "text_files", "text"
    licence, home = "your own", "a path"

    def __call__(
        self,
        path,
        validation_fraction: float | None = 0.1,
        min_characters: int = 1,
        max_bytes: int = 2**31,
        skip_bad: bool = False,
    ) -> Splits:
        """Two texts, with line breaks as `"\\n"`.

        Args:
            path: of a text file in UTF-8, or of a folder whose `*.txt` files (in upper or lower
                case, in all sub-folders, in the order of their paths) are joined by line breaks.
                Hidden files and links to folders are passed over; other files are named in
                `facts`.
            validation_fraction: float in `(0, 1)`, the part that is held out; `None` for nothing.
            min_characters: int, the least length of the text.
            max_bytes: int, what all files may hold together; a few times as much is needed in
                memory.
            skip_bad: bool, whether files that are empty, cannot be read or are no text are left
                out; otherwise they are an error.

        Raises:
            ValueError: if there is no text at `path`, or one that is too short or too large, or
                for bad files, all of which the message names.
        """
        held_out.check_fraction(validation_fraction)
        path = Path(path).expanduser()
        texts, bytes_left = [], max_bytes

        def keep(file):
            nonlocal bytes_left
            data = _read(file, bytes_left)
            texts.append(decode_text(data))
            bytes_left -= len(data)

        facts = _facts(path, keep, skip_bad)[1]
        characters = sum(map(len, texts))
        if characters < min_characters:
            raise ValueError(
                f"The text is too short. Expected at least {min_characters} characters. "
                f"Received: path={str(path)!r} of {characters} characters. Choose a longer text."
            )
        cuts, split = held_out.of_texts(list(map(len, texts)), validation_fraction)
        validation = None if validation_fraction is None else "".join(_after(texts, cuts))
        facts |= {"characters": characters, "split": split}
        return Splits("".join(_before(texts, cuts)), validation, facts=facts)

    def stream(
        self,
        path,
        validation_fraction: float | None = 0.1,
        max_bytes: int = 2**31,
        skip_bad: bool = False,
    ) -> Splits:
        """The same two texts in parts, with no more than a file in memory.

        Args:
            path, validation_fraction, skip_bad: as of a call.
            max_bytes: int, what a single file may hold.

        Returns:
            `Splits` of two `Stream`s of strings that make up the texts.
        """
        held_out.check_fraction(validation_fraction)
        path, lengths = Path(path).expanduser(), []

        def read(file):
            return decode_text(_read(file, max_bytes))

        files, facts = _facts(path, lambda file: lengths.append(len(read(file))), skip_bad)
        cuts, split = held_out.of_texts(lengths, validation_fraction)
        facts |= {"characters": sum(lengths), "split": split}

        def again(file):
            try:
                return read(file)
            except BadFile as error:  # it has changed
                bad = [{"name": name_in(path, file), "reason": str(error)}]
                check_bad(bad, 0, False, _EXPECTED, path)

        before, after = (
            Stream(lambda part=part: part(map(again, files), cuts)) for part in (_before, _after)
        )
        return Splits(before, None if validation_fraction is None else after, facts=facts)


text_files = TextFiles()


def _facts(path: Path, use, skip_bad: bool) -> tuple[list[Path], dict]:
    """The files that can be used, and what is said of them; `use` gets each of them.

    Raises:
        ValueError: as of `TextFiles`, where `use` raises `BadFile`.
    """
    files, others = _files(path)
    used, bad = [], []
    for file in files:
        try:
            use(file)
            used.append(file)
        except BadFile as error:
            bad.append({"name": name_in(path, file), "reason": str(error)})
    check_bad(bad, len(used), skip_bad, _EXPECTED, path)
    return used, facts_of_files(TextFiles.name, path, used, bad, others)


def _before(texts: Iterable[str], cuts: list[int]) -> Iterator[str]:
    """The parts of texts before their cuts, joined by line breaks."""
    return _joined(text[:cut] for text, cut in zip(texts, cuts, strict=True) if cut)


def _after(texts: Iterable[str], cuts: list[int]) -> Iterator[str]:
    """The parts behind."""
    return _joined(text[cut:] for text, cut in zip(texts, cuts, strict=True) if cut < len(text))


def _joined(parts: Iterable[str]) -> Iterator[str]:
    for number, part in enumerate(parts):
        yield "\n" + part if number else part


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    """The files that should hold text, and the other ones."""
    if not path.is_dir():
        files, others = [path] if path.exists() or path.is_symlink() else [], []
    else:
        with opening(path, "a folder of texts"):
            found = files_below(path)
        files = [file for file in found if file.suffix.lower() == _ENDING]
        others = [file for file in found if file.suffix.lower() != _ENDING]
    if not files:
        records = next((file for file in others if _is_records(file)), None)
        shown = records or (others[0] if others else None)
        there = f" with {len(others)} other files, such as {shown.name!r}" if others else ""
        mend = "Check the spelling, or give texts this ending."
        raise ValueError(
            "There is no text at this path. Expected a text file, or a folder with files `*.txt`. "
            f"Received: path={str(path)!r}{there}. {_of_records(records) if records else mend}"
        )
    return files, others


def _is_records(file: Path) -> bool:
    return file.suffix.lower() in _RECORDS


def _of_records(file: Path) -> str:
    return (
        f"{file.suffix} holds records, not text: write their text to a .txt file, or prepare them "
        "as documents (md4keras data prepare)."
    )


def _read(file: Path, bytes_left: int) -> bytes:
    if _is_records(file):
        raise BadFile(_of_records(file).removesuffix("."))
    try:
        check_regular(file)
        size = file.stat().st_size
        if size > bytes_left:
            raise ValueError(
                "The text is too large. Expected at most `max_bytes` in all. Received: "
                f"{str(file)!r} of {size} bytes, {bytes_left} bytes left. Raise `max_bytes`."
            )
        with open(file, "rb") as stream:
            return stream.read(size)  # no more: Python sets aside what is asked for
    except OSError as error:
        raise BadFile(reason_of(error)) from error
