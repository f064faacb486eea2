"""Version folders `OUT/1`, `OUT/2`, ... that appear complete or not at all.

A server looks for new numbers in `OUT` while it runs and loads what it finds. So a version is
written under a name that is no number, and takes its number in one step at the end.
"""

import contextlib
import dataclasses
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from md4keras import checkpoints
from md4keras.checks import check_whole, check_writable

_MOST = 2**63 - 1  # TensorFlow Serving's numbers
_STAGING = ".export-"
_OLD = 60  # seconds: younger leftovers may be those of an export that is just starting

try:
    import fcntl
except ImportError:  # Windows: leftovers of killed exports stay
    fcntl = None


def check_target(folder: Path, version: int | None) -> int:
    """Checks a place to write to; the version there, the given one or the next."""
    check_place(folder)
    if version is None:
        return _next(folder)
    check_whole("version", version, most=_MOST, mend="Leave it out for the next free one.")
    if version in versions(folder):
        raise _exists(folder, version)
    return version


def check_place(folder: Path) -> Path:
    """The nearest existing folder of one to export to, which holds no saved model."""
    if checkpoints.is_saved_model(folder):
        raise ValueError(
            "The folder holds a saved model, which an export would mix with. Expected another. "
            f"Received: '{folder}'. Name one beside it."
        )
    return check_writable(folder)


def versions(folder: Path) -> list[int]:
    """The versions in a folder, in order."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


@dataclasses.dataclass
class Version:
    """A version that is being written: its `content`, and its final `path` once it is whole."""

    content: Path
    path: Path | None = None


@contextlib.contextmanager
def new_version(folder: Path, version: int | None = None) -> Iterator[Version]:
    """A `Version` to write into; it gets its number where `with` ends without an error.

    The folder is made, and removed again after an error. What exports that were killed left in it
    is removed. Without a version the number is the next that is free at the end.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    lock = os.open(staging, os.O_RDONLY)
    try:
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        new = Version(staging / "version")
        new.content.mkdir()
        yield new
        for path in (*new.content.rglob("*"), new.content):
            _flush(path)
        new.path = _take_number(new.content, folder, version)
        _flush(folder)
    finally:
        os.close(lock)
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):  # the first that is not empty ends it
            for path in made:
                path.rmdir()


def _take_number(content: Path, folder: Path, version: int | None) -> Path:
    while True:
        number = version or _next(folder)
        try:
            os.rename(content, folder / str(number))
            return folder / str(number)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if version is not None:
                raise _exists(folder, version) from error


def _next(folder: Path) -> int:
    return max(versions(folder), default=0) + 1


def _exists(folder: Path, version: int) -> ValueError:
    return ValueError(
        f"The version exists: '{folder / str(version)}'. A server may be reading it. Expected "
        "a new one. Leave the version out for the next free one, or remove the old folder."
    )


def _remove_leftovers(folder: Path) -> None:
    """Removes the folders of exports that were killed: those that nobody holds a lock on."""
    for path in folder.glob(f"{_STAGING}*") if fcntl else ():
        with contextlib.suppress(OSError):  # another export removes it too
            lock = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - path.stat().st_mtime > _OLD:
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _flush(path: Path) -> None:
    """Waits until the disk has it: the name must not survive a crash that the content does not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
