"""Inputs of a run: what a source gives, as batches, and as lines to read."""

import dataclasses
from collections.abc import Callable
from typing import Any

import md4keras
from md4keras import tokenizers
from md4keras.data import gaps, image_dataset, text_dataset
from md4keras.evaluation.baselines import measure

_TOKENIZERS = {
    "text8": lambda splits: tokenizers.CharacterTokenizer(),
    "bytes": lambda splits: tokenizers.ByteTokenizer(),
    "fit": lambda splits: tokenizers.fit(splits.training + splits.validation),
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


def read(recipe, made) -> Data:
    """Reads a recipe's data, or the user's own, as a plan says.

    Args:
        recipe: a `Recipe`.
        made: a `Plan`.
    """
    settings, path, skip_bad = made.settings, made.data, made.skip_bad
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
    tokenizer = made.tokenizer or _tokenizer(settings["tokenizer"], splits)
    if made.tokenizer or settings["tokenizer"] not in ("bytes", "fit"):  # these know all characters
        splits = _known(splits, tokenizer, made.replace_unknown)
    return of_text(splits, tokenizer, settings, facts, names or md4keras.data.pydoc.baselines)


def of_text(splits, tokenizer, settings: dict, facts: dict, baselines) -> Data:
    """Windows of texts.

    Args:
        splits: `md4keras.data.Splits`.
        tokenizer: one that knows all characters.
        settings: dict, of the run.
        facts: dict, what was read.
        baselines: names of simple models.
    """
    length, batch_size, seed = (
        settings[name] for name in ("sequence_length", "batch_size", "seed")
    )
    texts = splits.training, splits.validation
    training, validation = tokenizers.encode_batch(tokenizer, texts)
    facts = facts | {"characters_per_token": len(splits.validation) / max(1, len(validation))}
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
        each = data.facts.get("characters_per_token", 1.0)
        size = f", of {each:.2f} characters on average" if each > 1 else ""
        shown.append(f"Tokens: {kind}, {data.vocabulary_size} different ones{size}.")
    else:
        shown.append(f"Tokens: {data.vocabulary_size} levels of each channel of a pixel.")
    return shown


def _tokenizer(setting: str, splits):
    """The tokenizer of that name, or from that place."""
    if setting in _TOKENIZERS:
        return _TOKENIZERS[setting](splits)
    return tokenizers.load(setting)


def _known(splits, tokenizer, replace: bool):
    """The texts in the characters that a tokenizer knows; others are replaced, or an error."""
    texts = splits.training + splits.validation
    unknown = gaps.check_known(texts, tokenizer, replace, keep_gaps=False)
    if not unknown:
        return splits
    print(f"Replaced what the model does not know: {unknown!r}")
    training, validation = (
        gaps.fit_to_alphabet(text, tokenizer, keep_gaps=False) for text in splits[:2]
    )
    return splits._replace(training=training, validation=validation)


def _counts(kind: str, splits) -> dict:
    if kind == "text":
        return {"characters": sum(len(text) for text in splits[:2])}
    return {"images": sum(len(x) for x, _ in splits[:2])}
