"""Programs beside the library: in this package where it is installed, next to it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def is_installed(name: str) -> bool:
    """Whether a program, `"app"` or `"train"`, is a part of the installed package."""
    return (_PACKAGE / name).is_dir()


def folder_of(name: str) -> Path:
    """The folder of a program."""
    return (_PACKAGE if is_installed(name) else _PACKAGE.parent) / name
