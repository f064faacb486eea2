"""Documents, pairs and prepared data as the rows that a model was trained on, to be measured."""

from collections.abc import Iterator

from md4keras import data, tokenizers
from md4keras.cli.examples import Examples, ExampleStream
from md4keras.cli.model import class_names
from md4keras.data.folders import printable

_AT_ONCE = 1024  # rows of a part


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
    return Examples.together(_parts(rows.batches(documents, _AT_ONCE, training=False), name))


def of_prepared(model, made: data.Prepared, name: str, trained: bool = False) -> ExampleStream:
    """The validation split of prepared data (or the only one that is there), read part by part.

    A zero-shot set comes in the field's blocks, of the model's own length, with `facts` on them.

    Args:
        model: of the same kind of data.
        made: the data.
        name: str, what they are, for people.
        trained: bool, whether the model was trained on them, and is measured on rows as there.
    """
    rows = None
    if data.is_zero_shot(made) and model.tokenizer is not None and not trained:
        return _of_zero_shot(model, made, name)
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

    def read():
        found = _parts(made.batches(split, _AT_ONCE, training=False, rows=rows), name)
        return found if model.network.num_classes else (p._replace(labels=None) for p in found)

    return ExampleStream(name, read)


def _of_zero_shot(model, made: data.Prepared, name: str) -> ExampleStream:
    """The blocks of a zero-shot set, and how they were made."""
    (length,) = model.network.data_shape
    split = next(s for s in ("validation", "test", "training") if s in made.splits)
    found = data.zero_shot(made, model.tokenizer, length, split)

    def read():
        return _parts(found.batches(_AT_ONCE), name)

    return ExampleStream(name, read, found.facts["dropped_tokens"], found.facts)


def _way(model) -> tuple[str, str]:
    """How the model's own training made rows, and what it did with long documents."""
    recipe = model.recipe or {}
    way = (recipe.get("read") or {}).get("rows_made")
    long = (recipe.get("settings") or {}).get("long", "split")
    return way if way in data.rows.WAYS else "packed", long


def _parts(batches, name: str) -> Iterator[Examples]:
    """The examples of each batch, whichever form it has."""
    for batch in batches:
        if not isinstance(batch, dict):
            tokens, labels = batch if isinstance(batch, tuple) else (batch, None)
            yield Examples(tokens, labels, name)
        else:
            layout = {key: values for key, values in batch.items() if key != "tokens"}
            yield Examples(batch["tokens"], None, name, layout=layout or None)


def _raise_other(made: data.Prepared, expected: str):
    raise ValueError(
        f"The model cannot measure these data. Expected {expected}. Received: "
        f"--data {printable(made.folder)} with {made.kind} of shape {made.index['shape']}. Choose "
        "another folder or model."
    )
