"""Inputs of a run: what a source gives, as batches, and as lines to read."""

import dataclasses
from collections.abc import Callable
from typing import Any

import md4keras
from md4keras import tokenizers
from md4keras.data import image_dataset, text_dataset
from md4keras.evaluation.baselines import measure

_TOKENIZERS = {
    "text8": lambda text: tokenizers.CharacterTokenizer(),
    "bytes": lambda text: tokenizers.ByteTokenizer(),
    "fit": tokenizers.fit,
}


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run trains on.

    Attributes:
        training: function of the number of the first batch that returns an endless data set of
            batches: tokens, or (tokens, labels).
        validation: a finite data set that can be read repeatedly.
        vocabulary_size: int, how many values a token takes.
        tokenizer: for text, else `None`.
        class_names: names of the classes, or `None`.
        baselines: function that returns the bits per dimension of simple models on the validation
            split, fitted on the training split, by name; it takes a moment.
        facts: dict, what was read; see `md4keras.data.Splits`.
    """

    training: Callable[[int], Any]
    validation: Any
    vocabulary_size: int
    tokenizer: Any = None
    class_names: tuple[str, ...] | None = None
    baselines: Callable[[], dict[str, float]] = dict
    facts: dict = dataclasses.field(default_factory=dict)


def read(recipe, settings: dict, path=None, skip_bad: bool = False, tokenizer=None) -> Data:
    """Reads a recipe's data, or the user's own at a path.

    Args:
        recipe: a `Recipe`.
        settings: dict, from `recipe.complete`.
        path: of the user's own data, or `None`.
        skip_bad: bool, whether to go on without files that cannot be used.
        tokenizer: for text; `None` for the one that the settings name.
    """
    source = md4keras.data.get(recipe.source if path is None else recipe.own)
    if skip_bad and source.name not in ("text_files", "image_folder"):
        raise ValueError(
            "--skip-bad is for files of your own. Expected --data along with it. Received: the "
            f"source {source.name}. Leave it out."
        )
    how = {"skip_bad": True} if skip_bad else {}
    if source.name == "text_files":  # so that the held-out tenth fills a window
        how["min_characters"] = 10 * settings["sequence_length"]
    elif source.name == "image_folder":
        how |= {"image_shape": tuple(settings["image_shape"]), "levels": settings["levels"]}
    elif source.name == "cifar10":
        how["download"] = True
    splits = source(*(() if path is None else (path,)), **how)
    facts = {"source": source.name, **_counts(recipe.kind, splits)}
    facts |= splits.facts
    names = md4keras.data.get(recipe.source).baselines
    if recipe.kind == "image":
        return of_images(splits, settings, facts, names)
    return of_text(splits, settings, facts, names or md4keras.data.pydoc.baselines, tokenizer)


def of_text(splits, settings: dict, facts: dict, baselines, tokenizer=None) -> Data:
    """Windows of texts.

    Args:
        splits: `md4keras.data.Splits`.
        settings, tokenizer: as in `read`.
        facts: dict, what was read.
        baselines: names of simple models.
    """
    length, batch_size, seed = (
        settings[name] for name in ("sequence_length", "batch_size", "seed")
    )
    tokenizer = tokenizer or _TOKENIZERS[settings["tokenizer"]](splits.training + splits.validation)
    training, validation = tokenizer.encode(splits.training), tokenizer.encode(splits.validation)
    values = tokenizer.vocabulary_size
    return Data(
        lambda start: text_dataset(training, length, batch_size, True, seed, start),
        text_dataset(validation, length, batch_size, training=False),
        vocabulary_size=values,
        tokenizer=tokenizer,
        baselines=lambda: measure(baselines, training, validation, values),
        facts=facts,
    )


def of_images(splits, settings: dict, facts: dict, baselines) -> Data:
    """Images, with their classes or without; arguments as of `of_text`."""
    shape, levels, batch_size, seed, labels = (
        settings[name] for name in ("image_shape", "levels", "batch_size", "seed", "labels")
    )
    (x, y), (x_held, y_held) = splits[:2]
    most = int(max(x.max(), x_held.max()))
    if x.shape[1:] != tuple(shape) or most >= levels:
        found = ",".join(map(str, x.shape[1:]))
        raise ValueError(
            f"The settings do not fit the images of {facts['source']}. Expected "
            f"image_shape={found} and levels of at least {most + 1}. Received: "
            f"image_shape={','.join(map(str, shape))}, levels={levels}. Other shapes and levels "
            "are for images of your own: --data FOLDER."
        )
    y, y_held = (y, y_held) if labels else (None, None)
    return Data(
        lambda start: image_dataset(x, y, batch_size, True, seed, start),
        image_dataset(x_held, y_held, batch_size, training=False),
        vocabulary_size=levels,
        class_names=splits.class_names if labels else None,
        baselines=lambda: measure(baselines, x, x_held, levels),
        facts=facts,
    )


def lines(data: Data) -> list[str]:
    """What was read, as lines for people."""
    shown = md4keras.data.describe(data.facts)
    if data.tokenizer is not None:
        kind = type(data.tokenizer).__name__.removesuffix("Tokenizer").lower()
        shown.append(f"Tokens: {kind}, {data.vocabulary_size} different ones.")
    else:
        shown.append(f"Tokens: {data.vocabulary_size} levels of each channel of a pixel.")
    return shown


def _counts(kind: str, splits) -> dict:
    if kind == "text":
        return {"characters": sum(len(text) for text in splits[:2])}
    return {"images": sum(len(x) for x, _ in splits[:2])}
