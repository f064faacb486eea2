"""Tokenizers in general: text to ids and back, with masks among the ids, and in JSON.

A tokenizer is any object with `encode(text)` (ints `[length]`; a `ValueError` for what it cannot
encode), `decode(ids)` (a string), `vocabulary_size` and `get_config()` (JSON values). Its mask is
`vocabulary_size`, one past the last id. It is saved with a model if Keras knows its class:

    @keras.saving.register_keras_serializable(package="mine")
    class Words: ...

It may have `encode_batch`, and the ids of special tokens (`end_token_id`, `padding_id`), which no
text is encoded to: what stands after the end of a text, or fills a row, is not part of the text.
"""

import json

import keras
import numpy as np

from md4keras.checks import check_has, check_integers, check_mask

_MEMBERS = ("encode", "decode", "vocabulary_size", "get_config")
_PACKAGE = "md4keras>"  # left out of the names of this package's classes
_MOST_SHOWN = 300  # characters of a configuration in a message: a vocabulary has megabytes

END_TOKEN = "<|endoftext|>"
"""The usual name of the end of a text."""


class Tokenizer:
    """A base class, of use but not needed: `decode` of masks and of the rows of a batch.

    A subclass has `encode`, `decode_run`, `vocabulary_size` and `get_config`.

    Attributes:
        unit: str, what a token is: `"character"`, `"byte"`, or `"token"` for anything else.
        end_token, pad_token: str, the names of the tokens that end a text and fill a row, or
            `None` where there is none.
        end_token_id, padding_id: int, their ids, or `None`. No text is encoded to them: whoever
            makes rows of texts adds them.
        joins_spaces: bool, whether the space before a word is a part of the word's token, as in
            most word pieces. `md4keras.data.gaps` then leaves the space before a gap to it.
    """

    end_token = end_token_id = pad_token = padding_id = None
    joins_spaces = False
    unit = "token"

    @property
    def mask_token(self) -> int:
        """The id of the mask, one past the last ordinary one, as in every model."""
        return self.vocabulary_size

    def encode_batch(self, texts) -> list[np.ndarray]:
        """The tokens of each of several texts, int32 `[length]` each; as `encode`."""
        return [self.encode(text) for text in texts]

    def decode(self, ids, mask_symbol: str = "_", cut: bool = True, filled=None):
        """As `decode_masked`."""
        return _decode(self, self.decode_run, ids, mask_symbol, cut, filled)

    def decode_run(self, ids) -> str:
        """The text of ids (int array `[length]`), none of them a mask, an end or padding."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)


def encode_batch(tokenizer, texts) -> list[np.ndarray]:
    """The tokens of each of several texts, int32 `[length]` each, with any tokenizer.

    Args:
        tokenizer: a tokenizer; word pieces are encoded on all cores, others one by one.
        texts: strings.
    """
    own = getattr(tokenizer, "encode_batch", None)
    found = own(texts) if own else map(tokenizer.encode, texts)
    return [np.asarray(tokens, "int32") for tokens in found]


def decode_masked(tokenizer, ids, mask_symbol: str = "_", cut: bool = True, filled=None):
    """Turns tokens back into text, masks included, with any tokenizer.

    Args:
        tokenizer: a tokenizer; its `decode` is given runs of ids of text alone.
        ids: ints in `[0, vocabulary_size]`, `[length]` or `[batch, length]`.
        mask_symbol: str, what a masked position is shown as.
        cut: bool, whether the text ends before the first end token (`tokenizer.end_token_id`), and
            padding (`padding_id`) is left out. Otherwise both are shown by their names.
        filled: as `until_end`: gaps that were filled, so that no end in one hides what follows it.

    Returns:
        A string, or a list of strings where `ids` has two dimensions. Bytes that form no character
        (where a mask stands in the middle of one, say) are U+FFFD.

    Raises:
        ValueError: for ids of another shape or type, or outside the vocabulary.
    """
    return _decode(tokenizer, tokenizer.decode, ids, mask_symbol, cut, filled)


def until_end(tokenizer, ids, filled=None):
    """The tokens of a text alone: up to the first end token, which is the last of them.

    Args:
        tokenizer: a tokenizer; without an end token all tokens are the text's.
        ids: ints `[length]`, or the rows of a batch, such as `model.generate` returns.
        filled: bool, of the ids' shape or of a row's (of a list: a list, too), the mask that
            `model.infill` was given, if they come from there. The text goes on at least to the
            last token that was not masked.

    Returns:
        An array `[tokens]`, or a list of those of a batch, as `model.score` takes them.
    """
    end = getattr(tokenizer, "end_token_id", None)

    def text_of(row, mask):
        ends = row == end
        if mask is not None:
            given = np.flatnonzero(~check_mask("filled", mask, (1, len(row)))[0])
            ends[: given[-1] if len(given) else 0] = False
        return row[: ends.argmax() + 1] if ends.any() else row

    to_numpy = keras.ops.convert_to_numpy
    if isinstance(ids, (list, tuple)) and len(ids) > 0 and np.ndim(ids[0]) > 0:
        rows, masks = [to_numpy(row) for row in ids], filled
    else:
        rows, masks = to_numpy(ids), filled
        if rows.ndim == 1:
            return text_of(rows, filled)
        if filled is not None:
            masks = check_mask("filled", filled, rows.shape)
    return [text_of(row, None if masks is None else masks[i]) for i, row in enumerate(rows)]


def _decode(tokenizer, decode_run, ids, mask_symbol: str, cut: bool, filled):
    mask_token = tokenizer.vocabulary_size
    ids = keras.ops.convert_to_numpy(ids)
    shape = ("batch", "length") if ids.ndim > 1 else ("length",)
    mend = "Give whole numbers, and take the tokenizer that encoded the text."
    ids = check_integers("ids", ids, shape, mask_token + 1, mend, least=0)
    end, padding = (getattr(tokenizer, name, None) for name in ("end_token_id", "padding_id"))
    names = {
        end: getattr(tokenizer, "end_token", None),
        padding: getattr(tokenizer, "pad_token", None),
    }
    shown = {mask_token: mask_symbol} | {
        i: name or "" for i, name in names.items() if i is not None
    }

    def text_of(row):
        if cut:
            row = row[(row != end) & (row != padding)]
        kinds = np.where(np.isin(row, list(shown)), row, -1)  # runs of text are of the kind -1
        runs = np.split(row, np.flatnonzero(np.diff(kinds)) + 1) if len(row) else []
        found = [shown[r[0]] * len(r) if r[0] in shown else decode_run(r) for r in runs]
        return "".join(found)

    rows = until_end(tokenizer, ids, filled) if cut else ids
    return text_of(rows) if ids.ndim == 1 else [text_of(row) for row in rows]


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
            f"Received: get_config()={_shown(description['config'])}. Return all that its class "
            "takes."
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
                f"Received: {_shown(tokenizer)}. Import the code that registers another class "
                "before."
            )
        cls = known[name]
        try:
            tokenizer = cls.from_config(config) if hasattr(cls, "from_config") else cls(**config)
        except (LookupError, TypeError) as error:
            raise ValueError(
                f"The configuration of {name} does not fit it ({error}). Expected what its "
                f"`get_config` returns. Received: config={_shown(config)}. Save the model anew."
            ) from error
    _check(tokenizer)
    return tokenizer


def is_known(description) -> bool:
    """Whether this process has the class in what `serialize` made of a tokenizer."""
    return str(description["class"]) in _classes()


def _shown(value) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + " ..."


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
