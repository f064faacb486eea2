"""The user's own text."""

import itertools
from pathlib import Path

from md4keras.checks import Interval, check_number
from md4keras.data.folders import (
    check_bad,
    facts_of_files,
    files_below,
    name_in,
    opening,
    reason_of,
)
from md4keras.data.plain_text import BadFile, check_regular, decode_text
from md4keras.data.source import Source, Splits
from md4keras.data.text import split_text

_ENDING = ".txt"
_RECORDS = (".csv", ".ipynb", ".json", ".jsonl", ".ndjson", ".tsv", ".xml", ".html", ".htm")


class TextFiles(Source):
    """A text file, or all `*.txt` files of a folder, of which a part is for validation.

    A single file is split at its end. Of a folder, whole files are held out, evenly spread over
    their names. Where there are few files, or a very long one, so that this would be a single file
    or more than twice the asked part, each file is split at its end.
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
        if validation_fraction is not None:
            inside = Interval(0, 1, with_low=False, with_high=False)
            check_number("validation_fraction", validation_fraction, inside, "Use 0.1.")
        path = Path(path).expanduser()
        files, others = _files(path)
        texts, used, bad, bytes_left = [], [], [], max_bytes
        for file in files:
            try:
                data = _read(file, bytes_left)
                texts.append(decode_text(data))
            except BadFile as error:
                bad.append({"name": name_in(path, file), "reason": str(error)})
            else:
                used.append(file)
                bytes_left -= len(data)
        check_bad(bad, len(used), skip_bad, "text in UTF-8", path)
        characters = sum(map(len, texts))
        if characters < min_characters:
            raise ValueError(
                f"The text is too short. Expected at least {min_characters} characters. "
                f"Received: path={str(path)!r} of {characters} characters. Choose a longer text."
            )
        training, validation, split = _split(texts, validation_fraction)
        facts = facts_of_files(self.name, path, used, bad, others)
        return Splits(
            training, validation, facts={**facts, "characters": characters, "split": split}
        )


text_files = TextFiles()


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
            return stream.read(bytes_left)
    except OSError as error:
        raise BadFile(reason_of(error)) from error


def _split(texts: list[str], fraction: float | None) -> tuple[str, str | None, str]:
    """The training and the validation text, and how they were chosen."""
    if fraction is None:
        return "\n".join(texts), None, "nothing is held out"
    if len(texts) == 1:
        return *split_text(texts[0], fraction), f"the last {fraction:.3g} of the text is held out"
    held_out = _spread(list(map(len, texts)), fraction)
    part = sum(len(t) for t, held in zip(texts, held_out, strict=True) if held)
    part /= sum(map(len, texts))
    if part <= 2 * fraction and 1 < sum(held_out) < len(texts):
        held = "\n".join(itertools.compress(texts, held_out))
        kept = "\n".join(t for t, held in zip(texts, held_out, strict=True) if not held)
        counts = f"{sum(held_out)} of {len(texts)} files"
        how = f"{counts}, spread over their names, are held out ({part:.3g} of the characters)"
        return kept, held, how
    cuts = [len(text) - int(len(text) * fraction) for text in texts]
    kept = "\n".join(text[:cut] for text, cut in zip(texts, cuts, strict=True))
    held = "\n".join(text[cut:] for text, cut in zip(texts, cuts, strict=True) if cut < len(text))
    if not held or not kept:
        split_text(kept, fraction)  # says what is too short
    return kept, held, f"the last {fraction:.3g} of each file is held out"


def _spread(lengths: list[int], fraction: float) -> list[bool]:
    """Which files to hold out: each whose predecessors fall behind the asked part so far."""
    held_out, due, held = [], 0.0, 0
    for length in lengths:
        due += fraction * length
        held_out.append(held < due)
        held += length * held_out[-1]
    return held_out
