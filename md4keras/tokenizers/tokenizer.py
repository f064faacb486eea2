"""Tokenizers in general: text to ids and back, with masks among the ids.

A tokenizer is any object with `encode(text)` (ints `[length]`; a `ValueError` for what it cannot
encode), `decode(ids)` (a string), `vocabulary_size` and `get_config()` (JSON values). Its mask is
`vocabulary_size`, one past the last id. It is saved with a model if Keras knows its class:

    @keras.saving.register_keras_serializable(package="mine")
    class Words: ...

It may have `encode_batch`, and the ids of special tokens (`end_token_id`, `padding_id`), which no
text is encoded to: what stands after the end of a text, or fills a row, is not part of the text.
"""

import os
from pathlib import Path

import keras
import numpy as np

from md4keras import presets
from md4keras.checks import check_integers, check_mask
from md4keras.files import write_json
from md4keras.presets import layout
from md4keras.tokenizers.byte_pair_format import read_json
from md4keras.tokenizers.descriptions import described_for_keras, get

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
        start_token: str, the name of the token that begins a text, if chats have one, or `None`.
        chat_template: str, a text in Jinja's language that writes the text of a chat, or `None`;
            see `apply_chat_template`. It is saved with the tokenizer, and may be set.
        joins_spaces: bool, whether the space before a word is a part of the word's token, as in
            most word pieces. `md4keras.data.gaps` then leaves the space before a gap to it.

    Example:

    >>> @keras.saving.register_keras_serializable(package="mine")
    ... class Digits(md4keras.tokenizers.Tokenizer):
    ...     vocabulary_size = 10
    ...     def encode(self, text):
    ...         return np.array([int(c) for c in text], "int32")
    ...     def decode_run(self, ids):
    ...         return "".join(map(str, ids))
    ...     def get_config(self):
    ...         return {}
    >>> Digits().decode([1, 9, 10])  # 10 is the mask
    '19_'
    """

    end_token = end_token_id = pad_token = padding_id = start_token = chat_template = None
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

    @classmethod
    def from_preset(cls, preset: str | os.PathLike):
        """A tokenizer from the folder of its own, or that of a model.

        Args:
            preset: path of a folder, the name of a preset that ships, or a handle; see
                `md4keras.presets.find`.

        Raises:
            ValueError: if there is none, or one of another class.
        """
        path = presets.find(preset) / layout.TOKENIZER
        found = get(read_json(path))
        if not isinstance(found, cls):
            raise ValueError(
                f"The preset has another tokenizer. Expected a {cls.__name__}. Received: a "
                f"{type(found).__name__} in '{preset}'. Call `{type(found).__name__}.from_preset`, "
                "or `md4keras.tokenizers.Tokenizer.from_preset` for any."
            )
        return found

    def save_to_preset(self, folder: str | os.PathLike) -> Path:
        """Writes the tokenizer alone into a folder, from which `from_preset` loads it.

        Args:
            folder: path; not that of a saved model, which has its own tokenizer.

        Returns:
            The path of the folder.

        Raises:
            ValueError: for the folder of a saved model, or if it could not be loaded again.
        """
        if presets.is_saved_model(folder):
            raise ValueError(
                "The folder holds a saved model with a tokenizer of its own. Expected another "
                f"folder. Received: folder='{folder}'. To change a model's tokenizer, set "
                "`model.tokenizer`, and save the model."
            )
        write_json(described_for_keras(self), Path(folder) / layout.TOKENIZER)
        return Path(folder)


def encode_batch(tokenizer, texts) -> list[np.ndarray]:
    """The tokens of each of several texts, int32 `[length]` each, with any tokenizer.

    Args:
        tokenizer: a tokenizer; word pieces are encoded on all cores, others one by one.
        texts: strings.

    Example:

    >>> tokens = encode_batch(md4keras.tokenizers.CharacterTokenizer(), ["the", "a"])
    >>> [each.tolist() for each in tokens]
    [[20, 8, 5], [1]]
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

    Example:

    >>> tokenizer = md4keras.tokenizers.CharacterTokenizer()
    >>> decode_masked(tokenizer, [20, 8, 5, 27, 3], mask_symbol="?")
    'the?c'
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

    Example:

    >>> tokenizer = md4keras.tokenizers.CharacterTokenizer(end_token=True)
    >>> until_end(tokenizer, np.array([20, 8, 5, tokenizer.end_token_id, 3])).tolist()
    [20, 8, 5, 27]
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
