"""Files and folders that people bring: what is in them, what is no good, and what was read."""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from md4keras import files

MOST_NAMED = 20  # bad files in a message
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx"}  # left behind by Windows and macOS
_FEW_NAMED = 10  # other files


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and its sub-folders, in the order of their paths.

    Hidden files and folders are passed over, and so are links to folders, which may lead in a
    circle; links to files are followed.

    Raises:
        OSError: for a folder that cannot be opened.
    """
    found = []
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if is_shown(name)]
        found += [Path(place, name) for name in names if is_shown(name)]
    return sorted(found)


@contextlib.contextmanager
def opening(path: Path, expected: str, mend: str = "Change its permissions.") -> Iterator[None]:
    """Within the block a folder that cannot be opened is a `ValueError` with its name."""
    try:
        yield
    except OSError as error:
        within = error.filename is not None and Path(error.filename) != Path(path)
        inside = f", {printable(error.filename)!r}" if within else ""
        raise ValueError(
            f"This folder cannot be read ({reason_of(error)}). Expected {expected}. "
            f"Received: path={printable(path)!r}{inside}. {mend}"
        ) from error


def is_shown(name: str) -> bool:
    """Whether a file or folder is none that systems hide."""
    return not name.startswith(".") and name.lower() not in _SYSTEM_FILES


def printable(path: str | os.PathLike) -> str:
    """A path as it can be printed and written to JSON, whatever characters its names have."""
    return files.printable(os.fspath(path))


def name_in(folder: Path, file: Path) -> str:
    """The name of a file within a folder (or of the folder itself), printable."""
    return printable(file.name if file == folder else file.relative_to(folder).as_posix())


def reason_of(error: OSError) -> str:
    """Why a file cannot be read, in a few words."""
    return error.strerror or str(error)


def check_bad(bad: list[dict], num_good: int, skip_bad: bool, expected: str, path: Path) -> None:
    """Raises one error for all that cannot be used, unless it may be skipped.

    Args:
        bad: dictionaries of `"name"` (of a folder with `/` at its end) and `"reason"`.
        num_good: int, how many files can be used; without any it is an error in any case.
        skip_bad: bool, whether bad files are skipped.
        expected: str, what a file should be.
        path: where they are.

    Raises:
        ValueError: as said; at most 20 files are named.
    """
    if not bad or (skip_bad and num_good):
        return
    them = "it" if len(bad) == 1 else "them"
    mend = f"Mend {them} or take {them} away"
    if num_good:
        mend += f", or go on without {them}: skip_bad=True (--skip-bad)"
    folders = any(each["name"].endswith("/") for each in bad)
    if len(bad) == 1:
        file = path if path.is_file() else path / bad[0]["name"]
        raise ValueError(
            f"This {'folder' if folders else 'file'} cannot be used: {bad[0]['reason']}. "
            f"Expected {expected}. Received: path='{printable(file)}'. {mend}."
        )
    lines = [f"\n  {each['name']}: {each['reason']}" for each in bad[:MOST_NAMED]]
    if len(bad) > MOST_NAMED:
        lines.append(f"\n  and {len(bad) - MOST_NAMED} more")
    raise ValueError(
        f"{len(bad)} of {len(bad) + num_good} files{' and folders' * folders} cannot be used. "
        f"Expected {expected}. "
        f"Received: path='{printable(path)}'. {mend}." + "".join(lines)
    )


def facts_of_files(source: str, path: Path, used: list[Path], bad: list, others: list) -> dict:
    """The part of `Splits.facts` that is the same for all kinds of files.

    Args:
        source: str, the source's name.
        path: of the folder, or of the only file.
        used: paths of the files that were read.
        bad: those that were skipped; see `check_bad`.
        others: paths of files that are of another kind.
    """
    return {
        "source": source,
        "files": len(used),
        "skipped": bad,
        "ignored": ignored(path, others),
        "fingerprint": fingerprint(
            (file.relative_to(path).as_posix(), files.sha256(file)) for file in used
        ),
    }


def ignored(path: Path, others: list[Path]) -> dict:
    """What is said of files of other kinds: their `"count"`, and some `"names"`."""
    return {"count": len(others), "names": [name_in(path, file) for file in others[:_FEW_NAMED]]}


def fingerprint(parts: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of names and contents: the same for a folder that was moved, in any order.

    Args:
        parts: pairs of a name within the folder, and the SHA-256 of what is under it.
    """
    digest = hashlib.sha256()
    for name, content in sorted(parts):
        digest.update(os.fsencode(name) + b"\0" + content.encode() + b"\n")
    return digest.hexdigest()


def _raise(error: OSError):
    raise error
