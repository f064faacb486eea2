"""Tokenizers in general: text to ids and back, with masks among the ids, and in JSON.

A tokenizer is any object with `encode(text)` (ints `[length]`; a `ValueError` for what it cannot
encode), `decode(ids)` (a string), `vocabulary_size` and `get_config()` (JSON values). Its mask is
`vocabulary_size`, one past the last id. It is saved with a model if Keras knows its class:

    @keras.saving.register_keras_serializable(package="mine")
    class Words: ...
"""

import json

import keras
import numpy as np

from md4keras.checks import check_has, check_integers

_MEMBERS = ("encode", "decode", "vocabulary_size", "get_config")
_PACKAGE = "md4keras>"  # left out of the names of this package's classes


class Tokenizer:
    """A base class, of use but not needed: `decode` of masks and of the rows of a batch.

    A subclass has `encode`, `decode_run`, `vocabulary_size` and `get_config`.
    """

    @property
    def mask_token(self) -> int:
        """The id of the mask, one past the last ordinary one, as in every model."""
        return self.vocabulary_size

    def decode(self, ids, mask_symbol: str = "_"):
        """As `decode_masked`."""
        return _decode(self.decode_run, self.vocabulary_size, ids, mask_symbol)

    def decode_run(self, ids) -> str:
        """The text of ids (int array `[length]`), none of them a mask."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)


def decode_masked(tokenizer, ids, mask_symbol: str = "_"):
    """Turns tokens back into text, masks included, with any tokenizer.

    Args:
        tokenizer: a tokenizer; its `decode` is given runs of real ids alone.
        ids: ints in `[0, vocabulary_size]`, `[length]` or `[batch, length]`.
        mask_symbol: str, what a masked position is shown as.

    Returns:
        A string, or a list of strings where `ids` has two dimensions.

    Raises:
        ValueError: for ids of another shape or type, or outside the vocabulary.
    """
    return _decode(tokenizer.decode, tokenizer.vocabulary_size, ids, mask_symbol)


def _decode(decode_run, mask_token: int, ids, mask_symbol: str):
    ids = keras.ops.convert_to_numpy(ids)
    shape = ("batch", "length") if ids.ndim > 1 else ("length",)
    mend = "Give whole numbers, and take the tokenizer that encoded the text."
    ids = check_integers("ids", ids, shape, mask_token + 1, mend, least=0)

    def text_of(row):
        runs = np.split(row, np.flatnonzero(np.diff(row == mask_token)) + 1) if len(row) else []
        shown = (mask_symbol * len(r) if r[0] == mask_token else decode_run(r) for r in runs)
        return "".join(shown)

    return text_of(ids) if ids.ndim == 1 else [text_of(row) for row in ids]


def serialize(tokenizer) -> dict:
    """Describes a tokenizer in JSON values, `{"class": ..., "config": ...}`.

    Raises:
        ValueError: if a member is missing, the class is not registered with Keras, or the
            description makes another tokenizer.
    """
    _check(tokenizer)
    cls = type(tokenizer)
    name = keras.saving.get_registered_name(cls).removeprefix(_PACKAGE)
    if _classes().get(name) is not cls:
        raise ValueError(
            "The tokenizer's class is not registered, so it could not be loaded. Expected one that "
            f"Keras knows by name. Received: tokenizer of {cls}. Decorate it with "
            '`@keras.saving.register_keras_serializable(package="mine")`.'
        )
    description = {"class": name, "config": tokenizer.get_config()}
    try:
        size = get(json.loads(json.dumps(description))).vocabulary_size
        if size != tokenizer.vocabulary_size:
            raise ValueError(f"from it comes one with vocabulary_size={size}")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"The tokenizer's configuration does not describe it: {error}. Expected JSON values. "
            f"Received: get_config()={description['config']!r}. Return all that its class takes."
        ) from error
    return description


def get(tokenizer):
    """Returns a tokenizer from an object, or from what `serialize` made of one.

    No code is loaded: only classes that are registered in this process are built.

    Args:
        tokenizer: a tokenizer, its description, or the name of a registered class.

    Raises:
        ValueError: for an unknown class, another configuration, or what is no tokenizer.
    """
    description = {"class": tokenizer, "config": {}} if isinstance(tokenizer, str) else tokenizer
    if isinstance(description, dict):
        name, config, known = description.get("class"), description.get("config"), _classes()
        if not isinstance(name, str) or name not in known or not isinstance(config, dict):
            raise ValueError(
                f"Unknown tokenizer. Expected {{'class': one of {sorted(known)}, 'config': dict}}. "
                f"Received: {tokenizer!r}. Import the code that registers another class before."
            )
        cls = known[name]
        try:
            tokenizer = cls.from_config(config) if hasattr(cls, "from_config") else cls(**config)
        except (LookupError, TypeError) as error:
            raise ValueError(
                f"The configuration of {name} does not fit it ({error}). Expected what its "
                f"`get_config` returns. Received: config={config!r}. Save the model anew."
            ) from error
    _check(tokenizer)
    return tokenizer


def is_known(description) -> bool:
    """Whether this process has the class in what `serialize` made of a tokenizer."""
    return str(description["class"]) in _classes()


def _check(tokenizer) -> None:
    mend = "Give its class these members: `md4keras.tokenizers.tokenizer` says what they do."
    check_has("a tokenizer", tokenizer, _MEMBERS, mend)


def _classes() -> dict:
    """The registered classes of tokenizers, by name."""
    members = set(_MEMBERS) - {"vocabulary_size"}  # an instance may be the first to have it
    return {
        name.removeprefix(_PACKAGE): value
        for name, value in keras.saving.get_custom_objects().items()
        if isinstance(value, type) and all(hasattr(value, member) for member in members)
    }
