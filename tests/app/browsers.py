"""Where a Chromium or Chrome may be on a machine."""

import shutil
from collections.abc import Iterable
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BUNDLES = ("Google Chrome", "Chromium")  # of macOS
MISSING = (
    "no Chromium or Chrome is installed: `python -m playwright install chromium`, on Debian and "
    "Ubuntu `apt install chromium`, or Google Chrome in the folder of applications of macOS"
)


def find_browser(
    own: str, applications: Iterable[Path] = (Path("/Applications"), Path.home() / "Applications")
) -> str | None:
    """The path of a browser, or `None`.

    Args:
        own: where Playwright's own would be, were it installed.
        applications: folders of the application bundles of macOS.
    """
    bundles = [
        folder / f"{name}.app" / "Contents" / "MacOS" / name
        for folder in applications
        for name in BUNDLES
    ]
    places = [shutil.which(command) for command in COMMANDS] + [own, *map(str, bundles)]
    return next((place for place in places if place and Path(place).is_file()), None)
