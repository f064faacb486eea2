"""The models below a folder, described without loading their weights."""

import dataclasses
import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from md4keras import checkpoints

__all__ = ["ModelFolder", "class_names", "labels", "model_folders", "saved_models", "titles"]

_MAX_MODELS = 1000
_MAX_DEPTH = 6
_NETWORKS = {"UNet": "U-Net", "UViT": "U-ViT"}  # as people write them


@dataclasses.dataclass(frozen=True)
class ModelFolder:
    """What a folder says of its model.

    Attributes:
        name: the folder, relative to the one that was searched, with `/`; unique there.
        folder: its path.
        problem: why it cannot be loaded, or `None`; then the rest may be empty.
        kind: `"MD4"` or `"GenMD4"`.
        network: class of the network.
        data_shape: of one sample; `(length,)` for text.
        vocabulary_size: number of values of a token.
        num_classes: of labels, or `None`.
        label_dropout: above 0 if the model can be guided.
        parameters: number of the network's.
        has_tokenizer: whether samples are text.
        recipe: how it was trained; empty where it is not told.
        weights: SHA-256 of the file of its weights.

    Example:

    >>> path = md4keras.save_model(model, "runs/mine")
    >>> (found,) = md4keras.catalog.model_folders("runs")
    >>> found.name, found.kind, found.network, found.data_shape
    ('mine', 'MD4', 'Transformer', (8,))
    """

    name: str
    folder: Path
    problem: str | None = None
    kind: str = ""
    network: str = ""
    data_shape: tuple[int, ...] = ()
    vocabulary_size: int = 0
    num_classes: int | None = None
    label_dropout: float = 0.0
    parameters: int = 0
    has_tokenizer: bool = False
    recipe: dict = dataclasses.field(default_factory=dict)
    weights: str = ""

    @property
    def place(self) -> str:
        """Its folder, without the last part that all recipes write."""
        return self.name.removesuffix("/model")

    @property
    def subject(self) -> str:
        """What the model is of, as its recipe or folder says: `"Digits"`."""
        told = self.recipe.get("recipe")
        parts = [part for part in self.name.split("/") if part != "model"] or [self.name]
        word = told if isinstance(told, str) and told else parts[-1]
        return word[:1].upper() + word[1:60].replace("_", " ")

    @property
    def design(self) -> str:
        """The network, and the model where it is not the usual one: `"U-Net"`, `"GenMD4 U-Net"`."""
        network = _NETWORKS.get(self.network, self.network)
        return network if self.kind == "MD4" else f"{self.kind} {network}"

    @property
    def size(self) -> str:
        """The number of parameters, rounded: `"0.6 M"`."""
        thousands = self.parameters / 1e3
        return f"{thousands / 1e3:.1f} M" if thousands >= 100 else f"{thousands:.3g} k"

    @property
    def title(self) -> str:
        """What a person reads: `"Digits: U-Net, 0.6 M, 1.71 bits"`; of text, bits a character."""
        return f"{self.subject}: {self.design}, {self.size}{self._bits}"

    @property
    def label(self) -> str:
        """What a person reads in a narrow place: `"Digits, 1.71 bits"`."""
        return f"{self.subject}{self._bits}"

    @property
    def _bits(self) -> str:
        if self.bits_per_dim is None:
            return ""
        pieces = self._characters_per_token
        return f", {self.bits_per_dim / pieces:.2f} bits{' a character' if pieces != 1 else ''}"

    @property
    def _characters_per_token(self) -> float:
        """Of a model of word pieces, whose bits then compare with those of other texts."""
        read = self.recipe.get("read")
        value = read.get("characters_per_token") if isinstance(read, dict) else None
        return value if isinstance(value, int | float) and 0 < value < math.inf else 1.0

    @property
    def is_image(self) -> bool:
        """Whether samples are images of 1 or 3 channels, which can be shown."""
        return len(self.data_shape) == 3 and self.data_shape[-1] in (1, 3)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; numbers where the recipe has none."""
        return class_names(self.recipe, self.num_classes)

    @property
    def bits_per_dim(self) -> float | None:
        """The bound on the validation split that its recipe reached."""
        validation = self.recipe.get("validation")
        value = validation.get("bits_per_dim") if isinstance(validation, dict) else None
        return value if isinstance(value, int | float) else None

    @property
    def history(self) -> list[dict]:
        """Logs of the training, a row for each validation."""
        rows = self.recipe.get("history")
        rows = rows if isinstance(rows, list) else []
        return [row for row in rows if isinstance(row, dict) and "step" in row]


def class_names(recipe: dict, num_classes: int | None) -> tuple[str, ...]:
    """Names of so many classes, as a recipe tells them; numbers where it has none.

    Example:

    >>> class_names({"class_names": ["cat", "dog"]}, 2), class_names({}, 2)
    (('cat', 'dog'), ('0', '1'))
    """
    names, count = recipe.get("class_names"), num_classes or 0
    named = isinstance(names, list | tuple) and len(names) == count
    return tuple(map(str, names if named else range(count)))


def model_folders(folder: str | os.PathLike) -> list[ModelFolder]:
    """Every model at or below a folder, sorted by name; damaged ones with the reason.

    Args:
        folder: path; one that does not exist has no models.

    Raises:
        ValueError: if there are more than 1,000.

    Example:

    >>> model_folders("no such folder")
    []
    """
    root = Path(folder)
    found = []
    for path in saved_models(root):
        if len(found) == _MAX_MODELS:
            raise ValueError(
                f"There are too many models to list. Expected at most {_MAX_MODELS}. "
                f"Received: folder='{root}'. Name a folder further down."
            )
        name = path.relative_to(root).as_posix()
        found.append(_described(name if name != "." else root.resolve().name, path))
    return sorted(found, key=lambda model: model.name)


def titles(models: list[ModelFolder]) -> dict[str, str]:
    """The title of each model by its name; with the folder where two would read the same.

    Example:

    >>> titles([ModelFolder("demo/digits/model", "runs", kind="MD4", network="UNet")])
    {'demo/digits/model': 'Digits: U-Net, 0 k'}
    """
    often = Counter(model.title for model in models)
    return {
        model.name: model.title if often[model.title] == 1 else f"{model.title} ({model.place})"
        for model in models
    }


def labels(models: list[ModelFolder]) -> dict[str, str]:
    """As `titles`, but short: `"Digits, 1.71 bits"`, or `"Digits (demo/digits)"`.

    Example:

    >>> labels([ModelFolder("demo/digits/model", "runs"), ModelFolder("my/digits/model", "runs")])
    {'demo/digits/model': 'Digits (demo/digits)', 'my/digits/model': 'Digits (my/digits)'}
    """
    often = Counter(model.label for model in models)
    return {
        model.name: model.label if often[model.label] == 1 else f"{model.subject} ({model.place})"
        for model in models
    }


def saved_models(folder: str | os.PathLike) -> Iterator[Path]:
    """The folders at or below `folder` that look like saved models.

    Links to folders are not followed, and hidden folders are passed over.

    Example:

    >>> path = md4keras.save_model(model, "runs/mine")
    >>> [each.as_posix() for each in saved_models("runs")]
    ['runs/mine']
    """
    for place, folders, _ in os.walk(folder):
        path = Path(place)
        deep = len(path.relative_to(folder).parts) >= _MAX_DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if name[0] != ".")
        if checkpoints.is_saved_model(path):
            folders.clear()
            yield path


def _described(name: str, folder: Path) -> ModelFolder:
    try:
        saved = checkpoints.read_saved(folder)
        checkpoints.check_buildable(saved)
        config = saved.config["config"]
        network = config["network"]["config"]
        shape = network.get("image_shape") or (network["sequence_length"],)
        return ModelFolder(
            name=name,
            folder=folder,
            kind=saved.config["class_name"],
            network=config["network"]["class_name"],
            data_shape=tuple(map(int, shape)),
            vocabulary_size=int(network["vocabulary_size"]),
            num_classes=int(network["num_classes"]) if network.get("num_classes") else None,
            label_dropout=float(network.get("label_dropout") or 0.0),
            parameters=int(saved.metadata.get("parameter_count", 0)),
            has_tokenizer=saved.tokenizer is not None,
            recipe=saved.recipe if isinstance(saved.recipe, dict) else {},
            weights=saved.weights_fingerprint,
        )
    except (ValueError, OSError) as error:
        return ModelFolder(name, folder, problem=str(error))
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"The model is damaged: its configuration lacks what a model has ({error})."
        return ModelFolder(name, folder, problem=problem)
