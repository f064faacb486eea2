"""Version folders `OUT/1`, `OUT/2`, ... that appear complete or not at all.

A server looks for new numbers in `OUT` while it runs and loads what it finds. So a version is
written under a name that is no number, and takes its number in one step at the end.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from md4keras import checkpoints

_MOST = 2**31


def check_target(folder: Path, version: int | None) -> int:
    """The version to write: the given one, or the next.

    Raises:
        ValueError: if the folder is a file or a saved model, or the version exists or is none.
        PermissionError: if it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"Versions are written into a folder, but '{folder}' is a file. Expected a new folder, "
            "or one with versions in it. Name another place."
        )
    if checkpoints.is_saved_model(folder):
        raise ValueError(
            "The folder holds a saved model, which exports would mix with. Expected a new folder, "
            f"or one with versions in it. Received: folder='{folder}'. Name one beside it."
        )
    place = folder
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(
            f"No permission to write to '{place}'. Received: folder='{folder}'. Name a place of "
            "your own, or change its permissions."
        )
    taken = versions(folder)
    if version is None:
        return max(taken, default=0) + 1
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < _MOST:
        raise ValueError(
            "A version is a whole number, the name of a folder. Expected 1 or more. "
            f"Received: version={version!r}. Leave it out for the next free one."
        )
    if version in taken:
        raise ValueError(
            f"The version exists: '{folder / str(version)}'. A server may be reading it. Expected "
            "a new one. Leave the version out for the next free one, or remove the old folder."
        )
    return version


def versions(folder: Path) -> list[int]:
    """The versions in a folder, in order."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


@contextlib.contextmanager
def new_version(folder: Path, version: int) -> Iterator[Path]:
    """A folder to write into; it becomes the version where the block ends without an error.

    Yields:
        An empty folder beside the place, whose name no server takes for a version.
    """
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=folder))
    try:
        content = staging / "version"
        content.mkdir()
        yield content
        for path in (*content.rglob("*"), content):
            _flush(path)
        os.rename(content, folder / str(version))
        _flush(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not existed:
            with contextlib.suppress(OSError):  # it holds the new version
                folder.rmdir()


def _flush(path: Path) -> None:
    """Waits until the disk has it: the name must not survive a crash that the content does not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
