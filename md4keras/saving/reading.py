"""A saved model is read: its small files with care, then what they describe is built."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from md4keras import tokenizers
from md4keras.files import sha256
from md4keras.layers import initializers
from md4keras.presets.layout import (
    ADAPTERS,
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
from md4keras.weights_file import check_worth, described, measure

FORMAT = 1
_MAP = keras.dtype_policies.DTypePolicyMap  # as networks of few bits have
KINDS = {"model": "an `MD4` or `GenMD4`", "network": "a network of `md4keras.networks`"}


@dataclasses.dataclass(frozen=True)
class Saved:
    """The readable files of a saved model, checked; `tokenizer` and `recipe` may be `None`.

    A tokenizer of a class that is not known here is its description, a dictionary.

    Example:

    >>> folder = md4keras.save_model(model, "runs/mine")
    >>> saved = md4keras.checkpoints.read_saved(folder)
    >>> saved.recipe is None, len(saved.weights_fingerprint)
    (True, 64)
    """

    folder: Path
    metadata: dict
    config: dict
    tokenizer: Any
    recipe: dict | None

    @property
    def weights_fingerprint(self) -> str:
        """SHA-256 of the file of the weights."""
        return str(self.metadata["sha256"][WEIGHTS])

    @property
    def cls(self) -> type:
        """The class that the configuration is of."""
        return _class_of(self.config)

    def with_dtype(self, dtype) -> "Saved":
        """The same, whose network computes in another dtype policy (a policy, or its name)."""
        try:
            policy = keras.dtype_policies.get(dtype)
            good = policy.quantization_mode is None and not isinstance(policy, _MAP)
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                "`dtype` is no policy in which a network computes. Expected 'float32', 'bfloat16', "
                f"'mixed_bfloat16' or the like. Received: dtype={dtype!r}. For fewer bits load the "
                "model without it, and call `quantize`."
            )
        with _told_as_damaged(self.folder):
            config = json.loads(json.dumps(self.config))
            inner = config if self.cls.saved_as == "network" else config["config"]["network"]
            saved = inner["config"].get("dtype")
        if isinstance(saved, dict) and saved.get("class_name") == "DTypePolicyMap":
            raise ValueError(
                "The weights of the saved network are quantized, for the dtype policy that it was "
                f"saved with. Expected dtype=None. Received: dtype={dtype!r}. Leave it out, or "
                "quantize the model from before with another policy."
            )
        inner["config"]["dtype"] = keras.dtype_policies.serialize(policy)
        return dataclasses.replace(self, config=config)


def build_model(saved: Saved, load_weights: bool = True):
    """The model whose files were read, with its weights, or as it was before training.

    Example:

    >>> saved = md4keras.checkpoints.read_saved(md4keras.save_model(model, "runs/mine"))
    >>> type(md4keras.checkpoints.build_model(saved)).__name__
    'MD4'
    """
    check_buildable(saved)
    with _told_as_damaged(saved.folder, MemoryError):  # of what its weights are worth
        start = initializers.left_out() if load_weights else contextlib.nullcontext()
        with start:
            model = keras.saving.deserialize_keras_object(saved.config, safe_mode=True)
        if load_weights:
            adapters.read_weights(model, saved.folder, ADAPTERS in saved.metadata["sha256"])
        if saved.cls.saved_as == "model":
            model.tokenizer, model.recipe = saved.tokenizer, saved.recipe
    tokenizer = getattr(model, "tokenizer", None)
    if not (tokenizer is None or isinstance(tokenizer, dict)):
        check_vocabulary(model)
    return model


def check_buildable(saved: Saved) -> None:
    """Raises a `ValueError` if the configuration needs more than the weights are worth.

    Example:

    >>> saved = md4keras.checkpoints.read_saved(md4keras.save_model(model, "runs/mine"))
    >>> md4keras.checkpoints.check_buildable(saved)  # nothing is wrong: nothing is said
    """
    with _told_as_damaged(saved.folder):
        check_worth(saved.config, measure(saved.folder / WEIGHTS))


def check_vocabulary(model) -> None:
    """Raises a `ValueError` if a model has the tokenizer of another one."""
    ours, theirs = model.network.vocabulary_size, model.tokenizer.vocabulary_size
    if ours != theirs:
        raise ValueError(
            "The tokenizer is not the one of this model. Expected as many values as the network "
            f"has, {ours}. Received: tokenizer.vocabulary_size={theirs}. Set `model.tokenizer` to "
            "the one that encoded the training text."
        )


def read_saved(
    folder: str | os.PathLike, unknown_tokenizer: bool = False, kinds: tuple = ("model",)
) -> Saved:
    """Reads and checks everything of a saved model but its weights, of which only the checksum.

    Args:
        folder: path.
        unknown_tokenizer: bool, whether a tokenizer of a class that is not known here may stay
            its description.
        kinds: which of `"model"` and `"network"` the folder may hold.

    Raises:
        ValueError: if the folder is not a complete saved model, a file was changed, or it names
            a class that is not known here.

    Example:

    >>> folder = md4keras.save_model(model, "runs/mine")
    >>> md4keras.checkpoints.read_saved(folder).config["class_name"]
    'MD4'
    """
    folder = Path(folder)
    metadata = _read_metadata(folder)
    for name, expected in metadata["sha256"].items():
        if not (folder / name).is_file() or sha256(folder / name) != expected:
            raise _damaged(folder, f"'{name}' is missing or not the file that was saved")
    config, tokenizer, recipe = (
        read_json(folder / name) if name in metadata["sha256"] else None
        for name in (CONFIG, TOKENIZER, RECIPE)
    )
    _check_kind(config, folder, kinds)
    _check_classes(config, folder)
    _check_recipe(recipe, folder)
    has_class = isinstance(tokenizer, dict) and "class" in tokenizer
    unknown = has_class and not tokenizers.is_known(tokenizer)
    if tokenizer is not None and not (unknown and unknown_tokenizer):
        tokenizer = tokenizers.get(tokenizer)
    return Saved(folder, metadata, config, tokenizer, recipe)


def read_beside(folder: Path) -> tuple[Any, dict | None]:
    """The tokenizer and recipe of a model that Keras saved as one file; `None` where not there."""
    tokenizer, recipe = (
        read_json(folder / name) if (folder / name).is_file() else None
        for name in (TOKENIZER, RECIPE)
    )
    _check_recipe(recipe, folder)
    return None if tokenizer is None else tokenizers.get(tokenizer), recipe


def read_json(path: Path):
    """The content of one of a saved model's JSON files.

    Raises:
        ValueError: if it is larger than its kind may be, or no JSON.
    """
    try:
        if path.stat().st_size > MOST_BYTES[path.name]:
            raise ValueError(f"larger than {MOST_BYTES[path.name]} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path.parent, f"'{path.name}' cannot be read ({error})") from error


def _read_metadata(folder: Path) -> dict:
    if not is_saved_model(folder):
        raise ValueError(
            "This is not a saved model. Expected a folder that `md4keras.save_model` wrote, with "
            f"'{METADATA}' and '{CONFIG}'. Received: folder='{folder}'. Check the path."
        )
    metadata = read_json(folder / METADATA)
    listed = metadata.get("sha256") if isinstance(metadata, dict) else None
    if not isinstance(listed, dict) or not {CONFIG, WEIGHTS} <= set(listed) <= set(CHECKED):
        raise _damaged(folder, f"'{METADATA}' does not list its files")
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"The saved model has another format. Expected format {FORMAT}. Received: "
            f"{metadata.get('format')!r} in '{folder}'. Use the md4keras version that wrote it: "
            f"{metadata.get('md4keras_version')!r}."
        )
    return metadata


def _class_of(config):
    name = config.get("registered_name") if isinstance(config, dict) else None
    return keras.saving.get_custom_objects().get(str(name))


def _check_kind(config, folder: Path, kinds: tuple) -> None:
    cls = _class_of(config)
    if not (isinstance(cls, type) and getattr(cls, "saved_as", None) in kinds):
        name = config.get("registered_name") if isinstance(config, dict) else None
        raise ValueError(
            f"The folder holds no {' or '.join(kinds)} of md4keras. Expected the configuration of "
            f"{', or '.join(KINDS[kind] for kind in kinds)}. Received: {name!r} in '{folder}'. "
            "Load it with what saved it."
        )


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


def _check_recipe(recipe, folder: Path) -> None:
    if not isinstance(recipe, dict | None):
        raise _damaged(folder, f"'{RECIPE}' is no dictionary")


@contextlib.contextmanager
def _told_as_damaged(folder: Path, *as_they_are: type) -> Iterator[None]:
    try:
        yield
    except as_they_are:
        raise
    except Exception as error:  # what is no configuration fails in as many ways as there are
        raise _damaged(folder, f"'{CONFIG}' and '{WEIGHTS}' make no model ({error})") from error


def _damaged(folder: Path, what: str) -> ValueError:
    return ValueError(
        f"The saved model is damaged: {what}. Expected the files as they were saved. "
        f"Received: folder='{folder}'. Copy the folder again, or save the model anew."
    )
