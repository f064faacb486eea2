"""Files and folders that are written whole or not at all, and packages that may be missing."""

import contextlib
import hashlib
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_whole(path: str | os.PathLike, content: bytes | str) -> Path:
    """Writes a file beside its place, then moves it there in one step; returns its path.

    Args:
        path: of the file; missing folders are made.
        content: bytes, or text that is written as UTF-8.

    Raises:
        OSError: if it cannot be written; what stood there before still does.
    """
    with whole_file(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
    return Path(path)


def write_json(content, path: str | os.PathLike) -> Path:
    """Writes JSON that people can read, as `write_whole`."""
    return write_whole(path, json.dumps(content, indent=2) + "\n")


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """An empty file to write to, which takes its place where the block ends without an error."""
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(partial)
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[Path]:
    """As `whole_file` for a folder; one that stands there is replaced and removed."""
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield staging
        os.chmod(staging, 0o777 & ~_umask())
        _move_folder(staging, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move_folder(staging: Path, path: Path) -> None:
    if not path.exists():
        os.replace(staging, path)
        return
    retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        os.replace(path, retired / "old")
        try:
            os.replace(staging, path)
        except OSError:
            os.replace(retired / "old", path)
            raise
    finally:
        shutil.rmtree(retired, ignore_errors=True)


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def import_optional(name: str, purpose: str, package: str | None = None):
    """Imports a package that not every user has; says what to install where it is missing.

    Args:
        name: str, of the module.
        purpose: str, what it does here, for the message.
        package: str, what `pip install` calls it; `None` for the module's name.

    Raises:
        ImportError: if it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{package or name} {purpose} and cannot be imported here: {error}. "
            f"Install it with `pip install {package or name}`."
        ) from error


def printable(text: str, kept: str = "") -> str:
    r"""Text in which characters that would steer a terminal are spelled out, but for those kept.

    Example:

    >>> printable("a\x1b[2Jb\tc", kept="\n\t")
    'a\\x1b[2Jb\tc'
    """
    return "".join(c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text)


def one_line(error, most: int = 300) -> str:
    r"""What an error says, on one line that steers no terminal; its type where it says nothing.

    Example:

    >>> one_line(ValueError("no\n  such\x1b file")), one_line(TimeoutError())
    ('no such\\x1b file', 'TimeoutError')
    """
    return printable(" ".join(str(error).split()))[:most] or type(error).__name__


def is_within(path: Path, folder: Path) -> bool:
    """Whether a file lies in a folder, as itself, or as a link into the hub's cache beside it.

    The cache of the Hugging Face hub keeps the files of all revisions in one folder, `blobs`, to
    which those of a snapshot are links.
    """
    home = folder.resolve()
    is_snapshot = home.parent.name == "snapshots"
    homes = {home, home.parent.parent / "blobs"} if is_snapshot else {home}
    return path.resolve().parent in homes


@contextlib.contextmanager
def unimported(name: str) -> Iterator[None]:
    """Within the block, a package that nobody has imported yet cannot be.

    Where Keras serialises, it imports TensorFlow (seconds, lines of warnings) only to ask whether
    a value is of one of its types. No value is, if nobody has imported it.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # which `import` takes for a missing package
    try:
        yield
    finally:
        del sys.modules[name]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
