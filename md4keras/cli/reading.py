"""Data that a command hands to a model: texts as tokens, images in the model's shape."""

from pathlib import Path

import numpy as np

from md4keras import data
from md4keras.cli import measured_rows
from md4keras.cli.examples import Examples, ExampleStream, Origin
from md4keras.cli.model import class_names
from md4keras.cli.terminal import say
from md4keras.data import gaps


def read_known(model, text: str, replace: bool, keep_gaps: bool = False) -> str:
    """A text in the characters that the model knows.

    Args:
        replace: bool, whether others are replaced as `md4keras.data.gaps.fit_to_alphabet` does.
        keep_gaps: bool, whether gaps are no characters.

    Raises:
        ValueError: for a text that is empty, or has other characters that are not replaced.
    """
    unknown = gaps.check_known(text, model.tokenizer, replace, keep_gaps)
    if unknown:
        say(f"replaced what the model does not know: {unknown!r}")
        text = gaps.fit_to_alphabet(text, model.tokenizer, keep_gaps)
    if not text:
        raise ValueError("There is no text. Received: an empty one. Write some words.")
    return text


def read_picture(model, path: str) -> np.ndarray:
    """An image file as tokens of the model, uint8 `[height, width, channels]`."""
    return data.read_image(path, model.network.data_shape, model.network.vocabulary_size)


def read_own(model, path: Path, replace: bool) -> Examples | ExampleStream:
    """All examples of a text file or folder, or of a folder of images, or prepared ones."""
    examples, facts = _all_of(model, path, replace)
    other = "other" if _fingerprint(model) else "unknown"
    return examples.come_from(Origin(facts.get("fingerprint"), other))


def _all_of(model, path: Path, replace: bool) -> tuple[Examples | ExampleStream, dict]:
    """All examples at a path, and the facts of what was read."""
    if data.is_prepared(path):
        made = data.prepared(path)
        return measured_rows.of_prepared(model, made, str(path)), made.facts
    if model.tokenizer is not None and data.holds_documents(path):
        splits = data.own_documents(path, validation_fraction=None)
        texts = [read_known(model, text, replace) for text in splits.training]
        return measured_rows.of_texts(model, texts, str(path)), splits.facts
    if model.tokenizer is not None:
        splits = data.text_files(path, validation_fraction=None)
        text = read_known(model, splits.training, replace)
        return _windows(model, text, str(path)), splits.facts
    splits = data.image_folder(path, *_format(model), validation_every=None)
    return _images(model, splits.training, splits.class_names, str(path)), splits.facts


def read_held_out(model, path: Path | None, replace: bool) -> Examples | ExampleStream | None:
    """The validation split of the model's own training.

    Args:
        path: of data; `None` for where the recipe says that they are.

    Returns:
        Examples, or `None` if the data at `path` are not those of the training.

    Raises:
        ValueError: if the recipe does not say which data, or they are not there.
    """
    recipe = model.recipe or {}
    name, home = recipe.get("source") or recipe.get("recipe"), recipe.get("data")
    if path is not None:
        splits = _trained_on(model, name, path)
        if splits is None:
            return None
        say("the model was trained on these data: their validation split is measured")
    elif name not in data.SOURCES and not home:
        raise ValueError(
            "The model does not tell what it was trained on. Expected a recipe with a source of "
            f"md4keras.data. Received: {name!r}. Name a file or a folder: --data PATH."
        )
    else:
        splits = _splits(model, name, home)
    where = f"the validation split of {path or home or name}"
    origin = _origin(model, splits.facts)
    if origin.training == "changed":
        say("note: the data have changed since the model was trained on them")
    return _held_out(model, splits, name, where, replace).come_from(origin)


def _origin(model, facts: dict) -> Origin:
    """Whether data with these facts are still those that the model was trained on."""
    then, now = _fingerprint(model), facts.get("fingerprint")
    if then is None:
        return Origin(now)
    return Origin(now, "held out" if now == then else "changed")


def _held_out(model, splits, name: str, where: str, replace: bool) -> Examples | ExampleStream:
    """The validation split of data that a model was trained on."""
    if isinstance(splits, data.Prepared):
        return measured_rows.of_prepared(model, splits, where, trained=True)
    if name in ("own_documents", "pairs"):
        texts = [
            tuple(read_known(model, part, replace) for part in each)
            if isinstance(each, tuple)
            else read_known(model, each, replace)
            for each in splits.validation
        ]
        return measured_rows.of_texts(model, texts, where)
    if model.tokenizer is not None:
        return _windows(model, read_known(model, splits.validation, replace), where)
    return _images(model, splits.validation, splits.class_names, where)


def _trained_on(model, name: str, path: Path) -> data.Splits | data.Prepared | None:
    """The data at a path, wherever they were before, if the model was trained on them."""
    try:
        splits = _splits(model, name, str(path)) if _fingerprint(model) else None
    except ValueError:  # other data, with a mistake that is told when they are read as such
        return None
    same = splits is not None and splits.facts.get("fingerprint") == _fingerprint(model)
    return splits if same else None


def _fingerprint(model) -> str | None:
    """That of the data that the model was trained on; `None` where its recipe has none."""
    return ((model.recipe or {}).get("read") or {}).get("fingerprint")


def _splits(model, name: str, path: str | None) -> data.Splits | data.Prepared:
    if path is None:
        return data.get(name)()
    if data.is_prepared(path):
        return data.prepared(path)
    if name == "text8":  # a copy of it
        return data.text8(path)
    skip = (model.recipe.get("read") or {}).get("skipped")
    how = {"skip_bad": True} if skip else {}
    if model.tokenizer is not None:
        return data.get(name if name in ("own_documents", "pairs") else "text_files")(path, **how)
    return data.image_folder(path, *_format(model), **how)


def _format(model) -> tuple:
    return tuple(model.network.data_shape), model.network.vocabulary_size


def _windows(model, text: str, name: str) -> Examples:
    tokens = model.tokenizer.encode(text)
    length = min(model.network.data_shape[0], len(tokens))
    return Examples(data.text_windows(tokens, length), None, name, len(tokens) % length)


def _images(model, split, names, where: str) -> Examples:
    """Images with the model's numbers of their classes, which go by name."""
    images, labels = split
    known = class_names(model)
    if not known:
        return Examples(images, None, where)
    unknown = set(names or ()) - set(known)
    if names is None or unknown:
        raise ValueError(
            f"The classes are not those of the model. Expected sub-folders named {', '.join(known)}"
            f". Received: {', '.join(sorted(unknown)) or 'no classes'}. Rename the folders."
        )
    numbers = np.array([known.index(name) for name in names], "int32")
    return Examples(images, numbers[labels], where)
