"""Saved models: one folder that any backend loads, written whole or not at all.

```
config.json         the model (network, schedule, objective), as Keras serialises it
model.weights.h5    all weights (the averaged ones, where training averaged)
tokenizer.json      if the model has a tokenizer
recipe.json         if the model has a recipe: how it was trained, and what it reached
metadata.json       versions, and a checksum of each other file
```
"""

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from md4keras import backend, distribution, tokenizers
from md4keras.checks import check_writable
from md4keras.conversion import from_md4
from md4keras.files import sha256, unimported, whole_folder
from md4keras.models.masked_diffusion import MaskedDiffusion
from md4keras.version import __version__
from md4keras.weights_file import MOST_POSITIONS, check_worth, described, measure

__all__ = [
    "check_output_folder",
    "from_md4",
    "is_saved_model",
    "load_model",
    "model_folder",
    "save_model",
]

_FORMAT = 1
_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"
_TOKENIZER, _RECIPE = "tokenizer.json", "recipe.json"
_FILES = (_CONFIG, _WEIGHTS, _TOKENIZER, _RECIPE)
_MAX_JSON_BYTES = 16 * 2**20
_MAX_CONFIG_BYTES = 2**20  # a network of this package needs a thousandth of it
_MOST_BYTES = {_CONFIG: _MAX_CONFIG_BYTES, _TOKENIZER: tokenizers.MOST_BYTES}


def save_model(model, folder: str | os.PathLike) -> Path:
    """Saves a model with its tokenizer (`model.tokenizer`) and recipe (`model.recipe`).

    The files are written beside the folder and moved into place at the end, so a crash leaves the
    old model or none, never half of one. A folder that holds a model is replaced; through a
    symbolic link, the folder that it points to. Of several processes all have to save, and the
    first one writes.

    Args:
        model: a `md4keras` model.
        folder: path.

    Returns:
        The path of the folder.

    Raises:
        ValueError: if the model is none of `md4keras`, its recipe or tokenizer cannot be saved
            with it, or the folder holds something else than a saved model.
        OSError: if it cannot be written.
    """
    _check_model(model)
    values = [backend.to_numpy(weight) for weight in model.weights]
    if distribution.is_first_process():
        check_output_folder(folder)
        with whole_folder(folder) as staging, unimported("tensorflow"), distribution.alone():
            _write_files(model, values, staging)
    return Path(folder)


def load_model(folder: str | os.PathLike):
    """Loads a model that `save_model` wrote, on whichever backend runs.

    Nothing from the folder is run as code: the classes named in it, that of the tokenizer too,
    must be `md4keras`'s, Keras's, or registered with `keras.saving.register_keras_serializable`
    before. Nothing is built that needs more memory or time than the weights are worth: a
    configuration that asks for more layers or numbers than the weights file has is refused.

    Args:
        folder: path.

    Returns:
        The model, with `tokenizer` and `recipe` attributes (`None` where there is none).

    Raises:
        ValueError: if the folder is not a complete saved model, a file was changed, or the
            configuration does not describe the weights.
    """
    return build_model(read_saved(folder))


@dataclasses.dataclass(frozen=True)
class Saved:
    """The readable files of a saved model, checked; `tokenizer` and `recipe` may be `None`.

    A tokenizer of a class that is not known here is its description, a dictionary.
    """

    folder: Path
    metadata: dict
    config: dict
    tokenizer: Any
    recipe: dict | None

    @property
    def weights_fingerprint(self) -> str:
        """SHA-256 of the file of the weights."""
        return str(self.metadata["sha256"][_WEIGHTS])


def build_model(saved: Saved):
    """The model whose files were read, with its weights."""
    check_buildable(saved)
    with _told_as_damaged(saved.folder):
        model = keras.saving.deserialize_keras_object(saved.config, safe_mode=True)
        model.load_weights(saved.folder / _WEIGHTS)
        model.tokenizer, model.recipe = saved.tokenizer, saved.recipe
    if not (model.tokenizer is None or isinstance(model.tokenizer, dict)):
        _check_vocabulary(model)
    return model


def check_buildable(saved: Saved) -> None:
    """Raises a `ValueError` if the configuration needs more than the weights are worth."""
    with _told_as_damaged(saved.folder):
        check_worth(saved.config, measure(saved.folder / _WEIGHTS))


def read_saved(folder: str | os.PathLike, unknown_tokenizer: bool = False) -> Saved:
    """Reads and checks everything of a saved model but its weights, of which only the checksum.

    Args:
        folder: path.
        unknown_tokenizer: bool, whether a tokenizer of a class that is not known here may stay
            its description.

    Raises:
        ValueError: as `load_model`.
    """
    folder = Path(folder)
    metadata = _read_metadata(folder)
    for name, expected in metadata["sha256"].items():
        if not (folder / name).is_file() or sha256(folder / name) != expected:
            raise _damaged(folder, f"'{name}' is missing or not the file that was saved")
    config, tokenizer, recipe = (
        _read_json(folder / name) if name in metadata["sha256"] else None
        for name in (_CONFIG, _TOKENIZER, _RECIPE)
    )
    _check_model_class(config, folder)
    _check_classes(config, folder)
    if not isinstance(recipe, dict | None):
        raise _damaged(folder, f"'{_RECIPE}' is no dictionary")
    has_class = isinstance(tokenizer, dict) and "class" in tokenizer
    unknown = has_class and not tokenizers.is_known(tokenizer)
    if tokenizer is not None and not (unknown and unknown_tokenizer):
        tokenizer = tokenizers.get(tokenizer)
    return Saved(folder, metadata, config, tokenizer, recipe)


def is_saved_model(folder: str | os.PathLike) -> bool:
    """Whether a folder looks like a saved model (without loading it)."""
    return (Path(folder) / _METADATA).is_file() and (Path(folder) / _CONFIG).is_file()


def model_folder(path: str | os.PathLike) -> Path:
    """The folder of a saved model: the path, or `model` in it, where a recipe saves its model."""
    inside = Path(path) / "model"
    return inside if not is_saved_model(path) and is_saved_model(inside) else Path(path)


def check_output_folder(folder: str | os.PathLike) -> None:
    """Checks that a model can be saved to a folder, before the work that leads to it.

    Raises:
        ValueError: if the path is or leads through a file, is the working directory or a parent
            of it, or is a folder with other things in it.
        PermissionError: if it cannot be written.
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


def _check_model(model) -> None:
    """Refuses, before anything is written, a model that could not be saved or loaded."""
    if not isinstance(model, MaskedDiffusion):
        raise ValueError(
            "Only models of md4keras are saved like this. Expected an `MD4` or `GenMD4`. "
            f"Received: model of type {type(model).__name__}. Use `model.save` for other models."
        )
    shape = tuple(model.network.data_shape)
    if math.prod(shape) > MOST_POSITIONS:
        raise ValueError(
            "The examples of this model are too large: it could not be loaded again. Expected at "
            f"most {MOST_POSITIONS} tokens each. Received: data_shape={shape}. Take shorter texts "
            "or smaller images."
        )
    if model.tokenizer is not None:
        tokenizers.serialize(model.tokenizer)
        _check_vocabulary(model)
    recipe = {} if model.recipe is None else model.recipe
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


def _check_vocabulary(model) -> None:
    ours, theirs = model.network.vocabulary_size, model.tokenizer.vocabulary_size
    if ours != theirs:
        raise ValueError(
            "The tokenizer is not the one of this model. Expected as many values as the network "
            f"has, {ours}. Received: tokenizer.vocabulary_size={theirs}. Set `model.tokenizer` to "
            "the one that encoded the training text."
        )


def _write_files(model, values: list, staging: Path) -> None:
    # The copy has no optimizer, whose slots would be saved too, and shows that the configuration
    # is enough to rebuild the model.
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    config.pop("build_config", None)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(values)
    _write_json(config, staging / _CONFIG)
    copy.save_weights(staging / _WEIGHTS)
    if model.tokenizer is not None:
        _write_json(tokenizers.serialize(model.tokenizer), staging / _TOKENIZER)
        if (size := (staging / _TOKENIZER).stat().st_size) > tokenizers.MOST_BYTES:
            raise ValueError(
                "The tokenizer is too large: it could not be loaded again. Expected at most "
                f"{tokenizers.MOST_BYTES} bytes. Received: {size} bytes for {model.tokenizer}. "
                "Take one with a smaller vocabulary."
            )
    if model.recipe is not None:
        _write_json(model.recipe, staging / _RECIPE)
    metadata = {
        "format": _FORMAT,
        "md4keras_version": __version__,
        "keras_version": keras.version(),
        "parameter_count": copy.network.count_params(),
        "sha256": {name: sha256(staging / name) for name in _FILES if (staging / name).is_file()},
    }
    _write_json(metadata, staging / _METADATA)


def _read_metadata(folder: Path) -> dict:
    if not is_saved_model(folder):
        raise ValueError(
            "This is not a saved model. Expected a folder that `md4keras.save_model` wrote, with "
            f"'{_METADATA}' and '{_CONFIG}'. Received: folder='{folder}'. Check the path."
        )
    metadata = _read_json(folder / _METADATA)
    listed = metadata.get("sha256") if isinstance(metadata, dict) else None
    if not isinstance(listed, dict) or not {_CONFIG, _WEIGHTS} <= set(listed) <= set(_FILES):
        raise _damaged(folder, f"'{_METADATA}' does not list its files")
    if metadata.get("format") != _FORMAT:
        raise ValueError(
            f"The saved model has another format. Expected format {_FORMAT}. Received: "
            f"{metadata.get('format')!r} in '{folder}'. Use the md4keras version that wrote it: "
            f"{metadata.get('md4keras_version')!r}."
        )
    return metadata


def _check_classes(config, folder: Path) -> None:
    """Refuses configurations that name classes from anywhere else."""
    known = keras.saving.get_custom_objects()
    for item in described(config):
        item.pop("compile_config", None)  # a saved model has no optimizer and no metrics
        module = item.get("module")
        name = item.get("config" if item["class_name"] == "function" else "registered_name")
        from_keras = isinstance(module, str) and module.split(".")[0] == "keras"
        if not from_keras and not (isinstance(name, str) and name in known):
            raise ValueError(
                "The saved model names a class that is not known here. Expected classes of "
                f"md4keras or Keras, or registered ones. Received: {item['class_name']!r} of "
                f"module {module!r} in '{folder}'. Import the code that registers the class "
                "before loading."
            )


def _check_model_class(config, folder: Path) -> None:
    name = config.get("registered_name") if isinstance(config, dict) else None
    cls = keras.saving.get_custom_objects().get(str(name))
    if not (isinstance(cls, type) and issubclass(cls, MaskedDiffusion)):
        raise ValueError(
            "The folder holds no model of md4keras. Expected the configuration of an `MD4` or "
            f"`GenMD4`. Received: {name!r} in '{folder}'. Load it with what saved it."
        )


@contextlib.contextmanager
def _told_as_damaged(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # what is no configuration fails in as many ways as there are
        raise _damaged(folder, f"'{_CONFIG}' and '{_WEIGHTS}' make no model ({error})") from error


def _damaged(folder: Path, what: str) -> ValueError:
    return ValueError(
        f"The saved model is damaged: {what}. Expected the files as they were saved. "
        f"Received: folder='{folder}'. Copy the folder again, or save the model anew."
    )


def _read_json(path: Path):
    try:
        most = _MOST_BYTES.get(path.name, _MAX_JSON_BYTES)
        if path.stat().st_size > most:
            raise ValueError(f"larger than {most} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path.parent, f"'{path.name}' cannot be read ({error})") from error


def _write_json(content, path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
