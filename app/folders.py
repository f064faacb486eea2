"""Where models are: in the user's folder, or else the presets that ship; without Keras."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_MAX_DEPTH = 6


def own() -> Path:
    """The user's folder of models: the argument after `--`, by default `runs`."""
    return Path(sys.argv[1] if len(sys.argv) > 1 else "runs")


def shipped() -> Path:
    """The folder of the presets that ship with md4keras, as `md4keras.presets.SHIPPED`."""
    above = Path(__file__).resolve().parents[1]  # md4keras, or a checkout
    inside = above / "md4keras"
    return (inside if inside.is_dir() else above) / "presets" / "shipped"


def root() -> Path:
    """The one folder that models come from: the user's, or where it has none, the presets'."""
    found = any(saved_models(own())) or not any(saved_models(shipped()))
    return own() if found else shipped()


def are_presets() -> bool:
    """Whether the models are the presets that ship."""
    return root() == shipped()


def saved_models(folder: str | os.PathLike) -> Iterator[Path]:
    """The folders at or below `folder` that look like saved models.

    As `md4keras.catalog.saved_models`, of which importing would bring Keras to the first page.
    Links to folders are not followed, and hidden folders are passed over.
    """
    for place, folders, files in os.walk(folder):
        path = Path(place)
        deep = len(path.relative_to(folder).parts) >= _MAX_DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if name[0] != ".")
        if {"metadata.json", "config.json"} <= set(files):
            folders.clear()
            yield path


def stamp(folder: str | os.PathLike) -> tuple:
    """Something that changes whenever a model below the folder comes, goes or is replaced."""
    return tuple((path.as_posix(), changed(path)) for path in saved_models(folder))


def changed(model: Path) -> int:
    """When the model was saved; 0 where it went away in between."""
    try:
        return (model / "metadata.json").stat().st_mtime_ns
    except OSError:
        return 0
