"""The version of this package, and those of others that are installed."""

import importlib.metadata
import platform
from collections.abc import Iterable

__version__ = "0.2.0"


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python, of this package, and of those of the given ones that are installed.

    Args:
        packages: names, as `pip` knows them.
    """
    found = {"python": platform.python_version(), "md4keras": __version__}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
