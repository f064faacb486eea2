"""The files of a checkpoint from outside: in its own folder, regular, JSON of bounded size."""

import json
from pathlib import Path

from md4keras.files import is_within, printable

MOST_BYTES = 16 * 2**20
"""Of a JSON file; the index of a thousand shards has less than one million."""


def unreadable(path, problem: str, expected: str, mend: str) -> ValueError:
    """The error that says why a checkpoint is refused.

    Args:
        path: of the file or folder that it is about.
        problem, expected, mend: strings, the parts of the message.
    """
    return ValueError(
        f"The checkpoint cannot be read: {printable(problem):.500}. Expected {expected}. "
        f"Received: '{printable(str(path))}'. {mend}"
    )


def file_in(folder: Path, name) -> Path:
    """The path of a file of this name that lies in a folder, as itself or in the hub's cache.

    Args:
        folder: path.
        name: str, which another file of the checkpoint may have told.

    Raises:
        ValueError: if the name leads out of the folder, by itself or as a link, or there is no
            such file.
    """
    expected = "the names of files that lie in the checkpoint's folder"
    mend = "Take the checkpoint from its publisher anew."
    if not _is_plain(name):
        shown = repr(name)[:120]
        raise unreadable(folder, f"it names a file outside of its folder, {shown}", expected, mend)
    path = folder / name
    if not path.exists():
        raise unreadable(folder, f"'{name}' is missing", "all files of a checkpoint", mend)
    if not path.is_file():
        raise unreadable(path, "it is no regular file", expected, mend)
    if not is_within(path, folder):
        raise unreadable(path, f"'{name}' is a link out of its folder", expected, mend)
    return path


def read_json(path: Path) -> dict:
    """The dictionary in a JSON file of at most `MOST_BYTES`.

    Raises:
        ValueError: if it is too large, no JSON, or no dictionary.
    """
    mend = "Take the file from its publisher anew."
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        expected = f"at most {MOST_BYTES // 2**20} MiB of JSON"
        raise unreadable(path, "it is too large", expected, mend)
    try:
        content = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"it is not JSON ({error})", "a JSON file", mend) from error
    if not isinstance(content, dict):
        raise unreadable(path, f"it holds a {type(content).__name__}", "a JSON dictionary", mend)
    return content


def _is_plain(name) -> bool:
    """Whether it is the name of a file alone, on any system."""
    return (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and not any(character in name for character in "/\\:\0")
    )
