"""Documents, pairs and prepared data as the rows that a model was trained on, to be measured."""

import numpy as np

from md4keras import data, tokenizers
from md4keras.cli.examples import Examples
from md4keras.cli.model import class_names
from md4keras.data.folders import printable

_AT_ONCE = 64  # rows


def of_texts(model, texts: list, name: str) -> Examples:
    """Rows of documents (strings) or of pairs of them.

    Args:
        model: with a tokenizer that knows their characters.
        texts: a list of strings, or of pairs of them.
        name: str, what they are, for people.
    """
    tokenizer, (way, long) = model.tokenizer, _way(model)
    (length,) = model.network.data_shape
    if isinstance(texts[0], tuple):
        rows = data.PairRows(data.Rows.of_tokenizer("padded", length, tokenizer))
        documents = data.encode_pairs(tokenizer, texts)
    else:
        rows = data.Rows.of_tokenizer(way, length, tokenizer, long)
        documents = tokenizers.encode_batch(tokenizer, texts)
    return _gathered(rows.batches(documents, _AT_ONCE, training=False), name, None)


def of_prepared(model, made: data.Prepared, name: str, limit: int | None) -> Examples:
    """The validation split of prepared data (or the only one that is there).

    Args:
        model: of the same kind of data.
        made: the data.
        name: str, what they are, for people.
        limit: int, examples at most, or `None` for all.
    """
    rows = None
    if (made.tokenizer is None) != (model.tokenizer is None):
        _raise_other(made, "the kind of the model's")
    if model.tokenizer is None:
        if tuple(made.index["shape"]) != tuple(model.network.data_shape):
            _raise_other(made, f"images of shape {tuple(model.network.data_shape)}")
        names = class_names(model)
        if names and made.class_names != names:
            _raise_other(made, f"the classes {', '.join(names[:20])}")
    else:
        if not tokenizers.differ_in_spare(model.tokenizer, made.tokenizer):
            _raise_other(made, "the model's tokenizer")
        way, long = _way(model)
        rows = made.rows("joined" if made.kind == "rows" else way, *model.network.data_shape, long)
    split = "validation" if "validation" in made.splits else "training"
    batches = made.batches(split, min(limit or _AT_ONCE, _AT_ONCE), False, rows=rows)
    found = _gathered(batches, name, limit)
    return found if model.network.num_classes else found._replace(labels=None)


def _way(model) -> tuple[str, str]:
    """How the model's own training made rows, and what it did with long documents."""
    recipe = model.recipe or {}
    way = (recipe.get("read") or {}).get("rows_made")
    long = (recipe.get("settings") or {}).get("long", "split")
    return way if way in data.rows.WAYS else "packed", long


def _gathered(batches, name: str, limit: int | None) -> Examples:
    """The examples of batches, together."""
    parts, count = [], 0
    for batch in batches:
        parts.append(_parts_of(batch))
        count += len(parts[-1]["tokens"])
        if limit is not None and count >= limit:
            break
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    tokens, labels = found.pop("tokens"), found.pop("label", None)
    return Examples(tokens, labels, name, layout=found or None)


def _parts_of(batch) -> dict:
    """A batch, whichever form it has, as a dictionary."""
    if isinstance(batch, dict):
        return batch
    tokens, label = batch if isinstance(batch, tuple) else (batch, None)
    return {"tokens": tokens} if label is None else {"tokens": tokens, "label": label}


def _raise_other(made: data.Prepared, expected: str):
    raise ValueError(
        f"The model cannot measure these data. Expected {expected}. Received: "
        f"--data {printable(made.folder)} with {made.kind} of shape {made.index['shape']}. Choose "
        "another folder or model."
    )
