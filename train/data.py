"""Batches of a run: of texts, documents, pairs, images, and what is known of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from md4keras import distribution, tokenizers
from md4keras.data import PairRows, Rows, batches, encode_pairs, image_gather, text_dataset
from md4keras.evaluation.baselines import measure

_MOST_SAMPLED = 2**23  # tokens of a prepared split that baselines count


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run trains on.

    Attributes:
        training: function of the number of the first batch that returns an endless data set of
            batches: tokens, (tokens, labels), or dictionaries as `fit` takes them.
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


def of_text(splits, tokenizer, settings: dict, facts: dict, baselines) -> Data:
    """Windows of texts.

    Args:
        splits: `md4keras.data.Splits`.
        tokenizer: one that knows all characters.
        settings: dict, of the run.
        facts: dict, what was read.
        baselines: names of simple models.
    """
    length, seed = settings["sequence_length"], settings["seed"]
    batch_size, shard = own_part(settings)
    training, validation = tokenizers.encode_batch(tokenizer, splits[:2])
    facts = facts | {"characters_per_token": len(splits.validation) / max(1, len(validation))}
    values = tokenizer.vocabulary_size
    return Data(
        lambda start: text_dataset(training, length, batch_size, True, seed, start, shard),
        text_dataset(validation, length, batch_size, training=False, shard=shard),
        vocabulary_size=values,
        tokenizer=tokenizer,
        baselines=lambda: measure(baselines, training, validation, values),
        facts=facts,
    )


def of_documents(splits, tokenizer, settings: dict, facts: dict, baselines) -> Data:
    """Rows of documents, each a text of a split; arguments as of `of_text`."""
    length, long = settings["sequence_length"], settings["long"]
    rows = Rows.of_tokenizer(facts["rows_made"], length, tokenizer, long)
    parts = [tokenizers.encode_batch(tokenizer, texts) for texts in splits[:2]]
    counts = _counts(splits[:2], parts)
    if rows.cuts:
        counts["cut"] = rows.num_cut([len(tokens) for part in parts for tokens in part])
    return _of_rows(rows, parts, tokenizer, settings, facts | counts, baselines)


def of_pairs(splits, tokenizer, settings: dict, facts: dict, baselines) -> Data:
    """Rows of pairs, each a prompt and an answer; arguments as of `of_text`."""
    padded = Rows.of_tokenizer("padded", settings["sequence_length"], tokenizer)
    rows = PairRows(padded, settings["max_ends"])
    parts = [encode_pairs(tokenizer, pairs) for pairs in splits[:2]]
    cut = sum(rows.is_cut(*pair) for part in parts for pair in part)
    answers = [[answer for _, answer in part] for part in parts]
    made = _of_rows(rows, parts, tokenizer, settings, facts | {"cut": cut}, ())
    return dataclasses.replace(made, baselines=_counted(baselines, answers, tokenizer))


def of_prepared(made, tokenizer, settings: dict, facts: dict, values: int) -> Data:
    """Batches of a prepared data set.

    Args:
        made: a `md4keras.data.Prepared`.
        tokenizer: of texts, else `None`.
        settings: dict, of the run.
        facts: dict, what was read.
        values: int, how many values a token takes.
    """
    (batch_size, shard), seed = own_part(settings), settings["seed"]
    names, rows = None, None
    if tokenizer is not None:
        way = facts["rows_made"]
        rows = made.rows(way, settings["sequence_length"], settings["long"])
        if rows.cuts:
            facts = facts | {"cut": rows.num_cut(made.splits["training"].lengths)}
    elif settings["labels"]:
        names = made.class_names

    def read(split, training, start=0):
        dataset = made.batches(split, batch_size, training, seed, start, shard, rows)
        without = tokenizer is None and made.class_names is not None and names is None
        return dataset.map(lambda batch: batch[0]) if without else dataset

    return Data(
        lambda start: read("training", True, start),
        read("validation", False),
        vocabulary_size=values,
        tokenizer=tokenizer,
        class_names=names,
        baselines=lambda: _sampled(made, values),
        facts=facts,
    )


def of_images(splits, settings: dict, facts: dict, baselines) -> Data:
    """Images, with their classes or without; arguments as of `of_text`."""
    (batch_size, shard), seed, labels = own_part(settings), settings["seed"], settings["labels"]
    (x, y), (x_held, y_held) = splits[:2]
    check_images(x.shape[1:], int(max(x.max(), x_held.max())), settings, facts["source"])
    levels = settings["levels"]
    y, y_held = (y, y_held) if labels else (None, None)
    return Data(
        lambda start: batches(image_gather(x, y), len(x), batch_size, True, seed, start, shard),
        batches(image_gather(x_held, y_held), len(x_held), batch_size, training=False, shard=shard),
        vocabulary_size=levels,
        class_names=splits.class_names if labels else None,
        baselines=lambda: measure(baselines, x, x_held, levels),
        facts=facts,
    )


def own_part(settings: dict) -> tuple[int, tuple[int, int]]:
    """How many examples of a batch this process reads, and its `shard` of the data."""
    shard = distribution.data_shard()
    if settings["batch_size"] % shard[1]:
        raise ValueError(
            "The processes cannot share a batch evenly. Expected a batch_size that is a multiple "
            f"of {shard[1]}. Received: batch_size={settings['batch_size']}. Use "
            f"--batch-size {-(-settings['batch_size'] // shard[1]) * shard[1]}, for instance."
        )
    return settings["batch_size"] // shard[1], shard


def check_images(shape: tuple, most: int, settings: dict, source: str) -> None:
    """Raises a `ValueError` unless images of that shape, with values up to `most`, are meant."""
    meant, levels = settings["image_shape"], settings["levels"]
    if tuple(shape) != tuple(meant) or most >= levels:
        found = ",".join(map(str, shape))
        raise ValueError(
            f"The settings do not fit the images of {source}. Expected "
            f"image_shape={found} and levels of at least {most + 1}. Received: "
            f"image_shape={','.join(map(str, meant))}, levels={levels}. Other shapes and levels "
            "are for images of your own: --data FOLDER."
        )


def _of_rows(rows, parts: list, tokenizer, settings: dict, facts: dict, baselines) -> Data:
    """Rows of parts for training and validation, lists of what `rows` takes."""
    training, validation = parts
    (batch_size, shard), seed = own_part(settings), settings["seed"]
    return Data(
        lambda start: rows.batches(training, batch_size, True, seed, start, shard),
        rows.batches(validation, batch_size, training=False, shard=shard),
        vocabulary_size=tokenizer.vocabulary_size,
        tokenizer=tokenizer,
        baselines=_counted(baselines, parts, tokenizer),
        facts=facts,
    )


def _counted(baselines, parts: list, tokenizer) -> Callable[[], dict[str, float]]:
    """The function that measures simple models on documents, one after another."""

    def count():
        training, validation = map(np.concatenate, parts)
        return measure(baselines, training, validation, tokenizer.vocabulary_size)

    return count


def _sampled(made, values: int) -> dict[str, float]:
    """What simple models of a prepared data set's sample cost on a sample, by name."""
    training, validation = (sample(made.splits[name]) for name in ("training", "validation"))
    if made.kind == "images":
        found = measure(("per-pixel histogram",), *map(np.stack, (training, validation)), values)
    else:
        found = measure(("n-grams",), *map(np.concatenate, (training, validation)), values)
    return {f"{name} of a sample": bits for name, bits in found.items()}


def sample(records, most: int = _MOST_SAMPLED) -> list[np.ndarray]:
    """Tokens of some records, evenly spread, of about `most` tokens in all.

    Args:
        records: a split of a prepared data set.
        most: int.
    """
    tokens = max(1, int(np.sum(records.lengths, dtype="int64")))
    count = max(1, min(len(records), most * len(records) // tokens))
    found = records.__getitems__(np.arange(count) * len(records) // count)
    return [each[0] for each in found] if records.with_labels else found


def _counts(texts, parts) -> dict:
    characters, tokens = (
        sum(len(each) for part in held for each in part) for held in (texts, parts)
    )
    return {"characters_per_token": characters / max(1, tokens)}
