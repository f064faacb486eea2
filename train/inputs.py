"""Inputs of a recipe: batches of a source's texts or images, and simple models of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

from md4keras.data import image_dataset, text_dataset
from md4keras.evaluation.baselines import measure


@dataclasses.dataclass(frozen=True)
class Data:
    """What a recipe trains on.

    Attributes:
        training: function of the number of the first batch that returns an endless data set of
            batches: tokens, or (tokens, labels).
        validation: a finite data set that can be read repeatedly.
        tokenizer: for text, else `None`.
        class_names: names of the classes, or `None`.
        baselines: function that returns the bits per dimension of simple models on the validation
            split, fitted on the training split, by name; it takes a moment.
    """

    training: Callable[[int], Any]
    validation: Any
    tokenizer: Any = None
    class_names: tuple[str, ...] | None = None
    baselines: Callable[[], dict[str, float]] = dict


def of_text(splits, tokenizer, sequence_length: int, options, baselines=()) -> Data:
    """Windows of texts.

    Args:
        splits: `md4keras.data.Splits` of texts.
        tokenizer: for them.
        sequence_length: int, tokens in a window.
        options: of the command line, with `batch_size` and `seed`.
        baselines: names of simple models, such as a source's `baselines`.
    """
    training, validation = tokenizer.encode(splits.training), tokenizer.encode(splits.validation)
    cut = (sequence_length, options.batch_size)
    return Data(
        lambda start: text_dataset(training, *cut, True, options.seed, start),
        text_dataset(validation, *cut, training=False),
        tokenizer=tokenizer,
        baselines=lambda: measure(baselines, training, validation, tokenizer.vocabulary_size),
    )


def of_images(splits, levels: int, options, labels: bool = True, baselines=()) -> Data:
    """Images, with their classes or without.

    Args:
        splits: `md4keras.data.Splits` of images.
        levels: int, how many values a pixel can take.
        options, baselines: as in `of_text`.
        labels: bool, whether the model is told the class.
    """
    training, validation = ((x, y if labels else None) for x, y in splits[:2])
    return Data(
        lambda start: image_dataset(*training, options.batch_size, True, options.seed, start),
        image_dataset(*validation, options.batch_size, training=False),
        class_names=splits.class_names if labels else None,
        baselines=lambda: measure(baselines, training[0], validation[0], levels),
    )
