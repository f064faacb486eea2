"""One door to the folders of models: a path, the name of a preset that ships, or a hub's handle."""

import os
from pathlib import Path

from md4keras.presets.hubs import download, is_handle
from md4keras.presets.layout import is_saved_model

SHIPPED = Path(__file__).parent / "shipped"
"""The folder of the presets that are part of this package, one folder each."""


def shipped() -> dict[str, Path]:
    """The presets that are part of this package: their names, in order, and folders.

    Example:

    >>> folders = md4keras.presets.shipped().values()
    >>> all(map(md4keras.presets.is_saved_model, folders))
    True
    """
    folders = sorted(SHIPPED.iterdir()) if SHIPPED.is_dir() else []
    return {folder.name: folder for folder in folders if is_saved_model(folder)}


def find(preset: str | os.PathLike) -> Path:
    """The folder of a model, wherever it is kept.

    What a name means is decided in this order: a folder of a model, or of a run that saved one
    in it (`model`); a preset that ships; a handle. Nothing that was downloaded is trusted here:
    whoever reads the folder checks it.

    Args:
        preset: path of a folder; the name of a preset that ships (`shipped()` has them), such as
            `"digits"`; `"hf://owner/name"`, also with `@` and a branch, tag or commit; or
            `"kaggle://owner/model/keras/variation"`, also with `/` and a version. What comes from
            a hub is downloaded once, into the cache of that hub's own library.

    Returns:
        The path of the folder; of what exists and is no model, the path as it is.

    Raises:
        ValueError: if there is nothing of that name, or the hub does not give it.
        ImportError: for a handle, without that hub's library.

    Example:

    >>> md4keras.presets.find("hf:/typo")
    Traceback (most recent call last):
    ValueError: This is not a saved model. Expected ...
    """
    name = os.fspath(preset)
    path = Path(name)
    for folder in (path, path / "model"):
        if is_saved_model(folder):
            return folder
    if name in shipped():
        return shipped()[name]
    if is_handle(name):
        return download(name)
    if path.exists():
        return path
    names = ", ".join(shipped()) or "none in this copy"
    raise ValueError(
        "This is not a saved model. Expected a folder that `md4keras.save_model` wrote, the name "
        f"of a preset that ships ({names}), or a handle: hf://owner/name or "
        f"kaggle://owner/model/keras/variation. Received: '{name}'. Check the path."
    )
