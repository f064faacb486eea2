"""A model is saved: one folder, written whole or not at all."""

import json
import math
import os
import shutil
from pathlib import Path

import keras

from md4keras import backend, distribution, tokenizers
from md4keras.checks import check_name, check_writable
from md4keras.files import sha256, unimported, whole_folder, write_json
from md4keras.presets.layout import (
    CARD,
    CHECKED,
    CONFIG,
    METADATA,
    MOST_BYTES,
    RECIPE,
    TOKENIZER,
    WEIGHTS,
    is_saved_model,
)
from md4keras.saving import adapters
from md4keras.saving.model_card import is_own_card, write_card
from md4keras.saving.reading import FORMAT, KINDS, check_vocabulary
from md4keras.tokenizers.descriptions import described_for_keras
from md4keras.version import __version__
from md4keras.weights_file import MOST_POSITIONS, rewrite

DTYPES = ("float32", "float16")
NO_CARD = object()  # stands for a folder without a card, but for one of the user's own


def save(
    model,
    folder: str | os.PathLike,
    dtype: str = "float32",
    report=NO_CARD,
    license: str | None = None,
) -> Path:
    """Writes the folder of a model or network; see `checkpoints.save_model`.

    Args:
        model: a model or network of this package.
        folder: path.
        dtype: `"float32"`, or `"float16"` for matrices that are rounded to half the size.
        report: a report or `None`, for a model card; `NO_CARD` for none.
        license: str, that of the model, for the card.

    Raises:
        ValueError: if it cannot be saved as it is, or the folder holds something else.
        OSError: if it cannot be written.
    """
    check_saveable(model)
    check_name("dtype", dtype, DTYPES)
    values = [backend.to_numpy(weight) for weight in model.weights]
    if distribution.is_first_process():
        check_output_folder(folder)
        with whole_folder(folder) as staging, unimported("tensorflow"), distribution.alone():
            _write_files(model, values, staging, dtype)
            if is_own_card(folder):
                shutil.copyfile(Path(folder, CARD), staging / CARD, follow_symlinks=False)
            elif report is not NO_CARD:
                write_card(staging, report, Path(os.path.realpath(folder)).name, license)
    return Path(folder)


def check_output_folder(folder: str | os.PathLike) -> None:
    """Checks that a model can be saved to a folder, before the work that leads to it.

    Raises:
        ValueError: if the path is or leads through a file, is the working directory or a parent
            of it, or is a folder with other things in it.
        PermissionError: if it cannot be written.

    Example:

    >>> md4keras.checkpoints.check_output_folder("runs/new")  # nothing is there: nothing is said
    """
    folder = Path(os.path.realpath(folder))  # `Path.resolve` fails on circular links
    existing = check_writable(folder)
    if Path.cwd().is_relative_to(folder):
        raise ValueError(
            "The working directory cannot be replaced by a saved model. Expected another folder. "
            f"Received: folder='{folder}'. Name a folder in it, such as 'model'."
        )
    if existing != folder:
        return
    if any(folder.iterdir()) and not is_saved_model(folder):
        raise ValueError(
            "The folder holds something that is not a saved model, and saving would replace it. "
            f"Expected a new, empty or model folder. Received: folder='{folder}'."
        )
    check_writable(folder.parent)  # the model is written there, and takes its place at the end


def check_saveable(model) -> None:
    """Refuses, before anything is written, a model that could not be saved or loaded."""
    check_kind(model, tuple(KINDS))
    shape = tuple(_network(model).data_shape)
    if math.prod(shape) > MOST_POSITIONS:
        raise ValueError(
            "The examples of this model are too large: it could not be loaded again. Expected at "
            f"most {MOST_POSITIONS} tokens each. Received: data_shape={shape}. Take shorter texts "
            "or smaller images."
        )
    if getattr(model, "tokenizer", None) is not None:
        tokenizers.serialize(model.tokenizer)
        check_vocabulary(model)
    check_recipe(getattr(model, "recipe", None))


def check_kind(model, kinds: tuple = ("model",)) -> None:
    """Refuses what is none of this package's models, or of the given kinds."""
    if getattr(model, "saved_as", None) not in kinds:
        raise ValueError(
            "Only models of md4keras are saved like this. Expected "
            f"{', or '.join(KINDS[kind] for kind in kinds)}. Received: model of type "
            f"{type(model).__name__}. Use `model.save` for other models."
        )


def check_recipe(recipe) -> None:
    """Refuses a recipe that JSON cannot hold."""
    recipe = {} if recipe is None else recipe
    if not isinstance(recipe, dict):
        raise ValueError(
            "`model.recipe` cannot be saved. Expected a dictionary of JSON values, or None. "
            f"Received: {recipe!r}. Give its entries names."
        )
    for key, value in recipe.items():
        try:
            json.dumps({key: value})
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"`model.recipe` cannot be written as JSON ({error}). Expected numbers, strings, "
                f"lists and dictionaries. Received: recipe[{key!r}]={value!r}. Convert this entry."
            ) from error


def write_beside(model, folder: Path) -> None:
    """Writes what belongs to a model besides its configuration and weights into a folder."""
    if getattr(model, "tokenizer", None) is not None:
        write_json(described_for_keras(model.tokenizer), folder / TOKENIZER)
        if (size := (folder / TOKENIZER).stat().st_size) > MOST_BYTES[TOKENIZER]:
            raise ValueError(
                "The tokenizer is too large: it could not be loaded again. Expected at most "
                f"{MOST_BYTES[TOKENIZER]} bytes. Received: {size} bytes for {model.tokenizer}. "
                "Take one with a smaller vocabulary."
            )
    if getattr(model, "recipe", None) is not None:
        write_json(model.recipe, folder / RECIPE)


def _write_files(model, values: list, staging: Path, dtype: str) -> None:
    # The copy has no optimizer, whose slots would be saved too, and shows that the configuration
    # is enough to rebuild the model.
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    config.pop("build_config", None)
    copy = keras.saving.deserialize_keras_object(config)
    copy.adapt_like(model)
    copy.set_weights(values)
    write_json(config, staging / CONFIG)
    adapters.write_weights(copy, staging)
    rewrite(staging / WEIGHTS)
    rounded = {}
    if dtype == "float16":
        rounded = {"weights_dtype": dtype, "sha256_before_rounding": sha256(staging / WEIGHTS)}
        rewrite(staging / WEIGHTS, dtype)
    write_beside(model, staging)
    metadata = {
        "format": FORMAT,
        "md4keras_version": __version__,
        "keras_version": keras.version(),
        "parameter_count": _network(copy).count_params(),
        **rounded,
        "sha256": {name: sha256(staging / name) for name in CHECKED if (staging / name).is_file()},
    }
    write_json(metadata, staging / METADATA)


def _network(model):
    return model if model.saved_as == "network" else model.network
