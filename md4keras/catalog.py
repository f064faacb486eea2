"""The models below a folder, described without loading their weights."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from md4keras import checkpoints

_MAX_MODELS = 1000
_MAX_DEPTH = 6


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

    @property
    def title(self) -> str:
        """The model in a few words: what it was trained on, and what its samples are.

        >>> ModelFolder("runs/digits/model", Path(), data_shape=(8, 8, 1)).title
        'digits: images of 8 x 8'
        """
        own_name = [part for part in self.name.split("/") if part != "model"][-1:] or [self.name]
        source = self.recipe.get("source") or self.recipe.get("recipe")
        shape = " x ".join(map(str, self.data_shape[:2]))
        if self.problem:
            what = "not usable"
        elif self.has_tokenizer:
            what = f"text of {shape} tokens"
        else:
            what = f"images of {shape}" if self.is_image else f"tokens of shape {shape}"
        return f"{source if isinstance(source, str) else own_name[0]}: {what}"

    @property
    def is_image(self) -> bool:
        """Whether samples are images of 1 or 3 channels, which can be shown."""
        return len(self.data_shape) == 3 and self.data_shape[-1] in (1, 3)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; numbers where the recipe has none."""
        names = self.recipe.get("class_names")
        names = names if isinstance(names, list) else ()
        count = self.num_classes or 0
        return tuple(map(str, names if len(names) == count else range(count)))

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


def model_folders(folder: str | os.PathLike) -> list[ModelFolder]:
    """Every model at or below a folder, sorted by name; damaged ones with the reason.

    Links to folders are not followed, and hidden folders are passed over.

    Args:
        folder: path; one that does not exist has no models.

    Raises:
        ValueError: if there are more than 1,000.
    """
    root = Path(folder)
    found = []
    for path in _folders(root):
        if len(found) == _MAX_MODELS:
            raise ValueError(
                f"There are too many models to list. Expected at most {_MAX_MODELS}. "
                f"Received: folder='{root}'. Name a folder further down."
            )
        name = path.relative_to(root).as_posix()
        found.append(_described(name if name != "." else root.resolve().name, path))
    return sorted(found, key=lambda model: model.name)


def stamp(folder: str | os.PathLike) -> tuple:
    """Something that changes whenever a model below the folder comes, goes or is replaced."""
    return tuple(
        (path.as_posix(), (path / "metadata.json").stat().st_mtime_ns)
        for path in _folders(Path(folder))
    )


def _folders(root: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(root):
        path = Path(place)
        deep = len(path.relative_to(root).parts) >= _MAX_DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if name[0] != ".")
        if checkpoints.is_saved_model(path):
            folders.clear()
            yield path


def _described(name: str, folder: Path) -> ModelFolder:
    try:
        saved = checkpoints.read_saved(folder)
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
        )
    except (ValueError, OSError) as error:
        return ModelFolder(name, folder, problem=str(error))
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"The model is damaged: its configuration lacks what a model has ({error})."
        return ModelFolder(name, folder, problem=problem)
