"""Saved models: one folder that any backend loads, written whole or not at all.

What lies in it is in `md4keras.presets.layout`; how it is written and read, in `md4keras.saving`.
"""

import os
from pathlib import Path

from md4keras import presets
from md4keras.conversion import from_bd3lm, from_llada, from_md4, from_mdlm
from md4keras.presets import is_saved_model
from md4keras.saving import (
    Saved,
    build_model,
    check_buildable,
    check_output_folder,
    read_saved,
    save,
    upload_preset,
    write_card,
)
from md4keras.saving.writing import check_kind

__all__ = [
    "Saved",
    "build_model",
    "check_buildable",
    "check_output_folder",
    "from_bd3lm",
    "from_llada",
    "from_md4",
    "from_mdlm",
    "is_saved_model",
    "load_model",
    "read_saved",
    "save_model",
    "upload_preset",
    "write_card",
]


def save_model(model, folder: str | os.PathLike, dtype: str = "float32") -> Path:
    """Saves a model with its tokenizer (`model.tokenizer`) and recipe (`model.recipe`).

    The files are written beside the folder and moved into place at the end, so a crash leaves the
    old model or none, never half of one. A folder that holds a model is replaced, but for a model
    card of the user's own; through a symbolic link, the folder that it points to. Of several
    processes all have to save, and the first one writes.

    Args:
        model: a `md4keras` model.
        folder: path.
        dtype: of the weights on disk: `"float32"` (exactly as they are), or `"float16"`, for
            about half the size: arrays of two or more dimensions are rounded to 11 bits. Whoever
            loads it gets the dtype of the model's policy again, with the rounded values.

    Returns:
        The path of the folder.

    Raises:
        ValueError: if the model is none of `md4keras`, its recipe or tokenizer cannot be saved
            with it, a weight is too large for float16, or the folder holds something else than a
            saved model.
        OSError: if it cannot be written.

    Example:

    >>> model.recipe = {"recipe": "mine", "steps": 3}
    >>> path = md4keras.save_model(model, "runs/mine")
    >>> {"config.json", "model.weights.h5", "recipe.json"} <= {each.name for each in path.iterdir()}
    True
    """
    check_kind(model)
    return save(model, folder, dtype)


def load_model(preset: str | os.PathLike):
    """Loads a model that `save_model` wrote, on whichever backend runs.

    Nothing from the folder is run as code: the classes named in it, that of the tokenizer too,
    must be `md4keras`'s, Keras's, or registered with `keras.saving.register_keras_serializable`
    before. Nothing is built that needs more memory or time than the weights are worth: a
    configuration that asks for more layers or numbers than the weights file has is refused.

    Args:
        preset: path of its folder, or of the run that saved it; the name of a preset that ships;
            or a handle of a hub, `"hf://owner/name"` or `"kaggle://owner/model/keras/variation"`;
            see `md4keras.presets.find`.

    Returns:
        The model, with `tokenizer` and `recipe` attributes (`None` where there is none).

    Raises:
        ValueError: if there is no complete saved model, a file was changed, or the configuration
            does not describe the weights.
        ImportError: for a handle, without the hub's library.

    Example:

    >>> folder = md4keras.save_model(model, "runs/mine")
    >>> md4keras.load_model(folder).network.data_shape
    (8,)
    """
    return build_model(read_saved(presets.find(preset)))
