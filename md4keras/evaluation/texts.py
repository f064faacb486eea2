"""Texts that a model is asked about: as tokens, and as rows of different lengths to score."""

import itertools

import numpy as np

from md4keras import tokenizers
from md4keras.checks import check_has, check_integers, check_list
from md4keras.models.padding import padded_length

_MEND = "Give a list of strings, or of arrays of tokens."


def training_length(model) -> int:
    """The tokens of a row of a model of text.

    Raises:
        ValueError: for what is no model, a model of images, or one with classes.
    """
    mend = "Give a `MD4` or `GenMD4` of text: `md4keras.load_model` reads a saved one."
    check_has("a model", model, ("score", "infill", "network", "tokenizer"), mend)
    shape, num_classes = tuple(model.network.data_shape), model.network.num_classes
    if len(shape) != 1 or num_classes:
        raise ValueError(
            "This model cannot be asked about a text alone. Expected a model of sequences without "
            f"classes. Received: data_shape={shape}, num_classes={num_classes}. `model.score` "
            "takes images and labels."
        )
    return shape[0]


def tokenizer_of(model):
    """The tokenizer of a model; a `ValueError` where it has none."""
    if model.tokenizer is None:
        raise ValueError(
            "Text needs a tokenizer, and this model has none. Expected a `model.tokenizer`. "
            "Received: model.tokenizer=None. Set it, or give the tokens themselves."
        )
    return model.tokenizer


def encode(model, texts, what: str = "text", least: int = 1) -> list[np.ndarray]:
    """Texts as tokens, int32 `[length]` each.

    Args:
        model: a model of text.
        texts: strings, which the model's tokenizer encodes, or int arrays, which stay as they are.
        what: str, what a message calls a text.
        least: int, how many tokens a text has at least.

    Raises:
        ValueError: for what is no list of texts, one with too few tokens, tokens outside the
            vocabulary, or a string where there is no tokenizer.
    """
    texts, size = check_list(f"{what}s", texts, mend=_MEND), model.network.vocabulary_size
    strings = [text for text in texts if isinstance(text, str)]
    own = iter(tokenizers.encode_batch(tokenizer_of(model), strings) if strings else [])
    found = [next(own) if isinstance(text, str) else text for text in texts]
    found = [check_integers(what, row, ("length",), size, _MEND, least=0) for row in found]
    for number, tokens in enumerate(found):
        if len(tokens) < least:
            raise ValueError(
                f"The {what} with index {number} has no tokens. Expected at least {least}. "
                f"Received: {texts[number]!r:.60}. Leave it out."
            )
    return [row.astype("int32") for row in found]


def decode(model, tokens) -> str:
    """The text of ids `[length]`, up to the first end token; rows of a batch as a list of texts."""
    return tokenizers.decode_masked(tokenizer_of(model), np.asarray(tokens, "int32"))


def score_rows(model, rows, num_samples: int, seed: int, batch_size: int, first: int = 0):
    """What rows of different lengths cost: `model.score`, with little padding.

    Neighbours that are padded to one length are scored together. Row `i` depends on
    `(seed, first + i)` alone, as in `model.score`.

    Args:
        model: a model of text.
        rows: a list of pairs of arrays `[length]`: int tokens, and bool, which of them are given.
        num_samples, seed, batch_size: as of `model.score`.
        first: int, the number of the first row, where a set is scored in parts.

    Returns:
        The bound in nats and its standard error, float64 arrays `[rows]`.
    """
    network, found = model.network, []
    for _, group in itertools.groupby(rows, lambda row: padded_length(network, len(row[0]))):
        tokens, given = map(list, zip(*group, strict=True))
        begin = first + sum(len(nats) for nats, _ in found)
        batch = {"tokens": tokens, "given": given}
        found.append(score_batch(model, batch, num_samples, seed, batch_size, begin))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def score_batch(model, batch: dict, num_samples: int, seed: int, batch_size: int, first: int = 0):
    """As `score_rows`, for rows in a dictionary as `model.score` takes it."""
    how = {"num_samples": num_samples, "seed": seed, "batch_size": batch_size}
    *_, last = model.score_steps(batch, **how, first_example=first)
    return last.nats, last.error
