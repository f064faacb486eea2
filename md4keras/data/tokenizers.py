"""Tokenizers without a learned vocabulary: one token a character, or one a byte."""

import re

import keras
import numpy as np

TEXT8_ALPHABET = " abcdefghijklmnopqrstuvwxyz"

_DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def normalise_text8(text: str) -> str:
    """Reduces any text to the 27 symbols of text8.

    Upper-case letters become lower-case, every digit is spelled out as a word of its own, and each
    run of anything else becomes one space, as `wikifil.pl` does for text8. Spaces at both ends are
    dropped.

    Args:
        text: The text to normalise.

    Returns:
        The text in `TEXT8_ALPHABET`.

    Example:

    >>> normalise_text8("In 42 B.C.!")
    'in four two b c'
    """
    spelled = re.sub("[0-9]", lambda digit: f" {_DIGIT_WORDS[int(digit[0])]} ", text.lower())
    return re.sub("[^a-z]+", " ", spelled).strip()


class _Tokenizer:
    """What the two tokenizers share: checked ids, and rows of a batch decoded one by one."""

    @property
    def mask_token(self) -> int:
        """The id of MASK: one above the last value, as in every model of this package."""
        return self.vocabulary_size

    def decode(self, ids, mask_symbol: str = "_"):
        """Turns tokens back into text.

        Args:
            ids: Integers in `[0, vocabulary_size]`, shape `[length]` or `[batch, length]`;
                `vocabulary_size` itself is MASK.
            mask_symbol: What a masked position is shown as.

        Returns:
            A string, or a list of strings where `ids` has two dimensions.
        """
        ids = np.asarray(keras.ops.convert_to_numpy(ids) if keras.ops.is_tensor(ids) else ids)
        if ids.size == 0:
            ids = ids.astype("int32")
        if ids.ndim not in (1, 2) or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(
                "`ids` cannot be decoded: expected integers of shape [length] or [batch, length]. "
                f"Received: ids of shape={ids.shape} and dtype={ids.dtype}. "
                "Flatten what is not text, or cast to int32."
            )
        if ids.size and (ids.min() < 0 or ids.max() > self.mask_token):
            raise ValueError(
                "`ids` holds tokens outside this tokenizer's vocabulary: "
                f"expected 0 to {self.mask_token} (MASK). "
                f"Received: ids from {ids.min()} to {ids.max()}. "
                "Decode with the tokenizer that encoded the text."
            )
        if ids.ndim == 1:
            return self._decode_row(ids, mask_symbol)
        return [self._decode_row(row, mask_symbol) for row in ids]


@keras.saving.register_keras_serializable(package="md4keras")
class CharacterTokenizer(_Tokenizer):
    """One token for each character of a given alphabet.

    Args:
        alphabet: The characters, each once; a character's token is its place here.

    Example:

    >>> tokenizer = CharacterTokenizer(TEXT8_ALPHABET)
    >>> tokenizer.decode(tokenizer.encode("a cat"))
    'a cat'
    """

    def __init__(self, alphabet: str = TEXT8_ALPHABET):
        if not isinstance(alphabet, str) or not alphabet or len(set(alphabet)) != len(alphabet):
            raise ValueError(
                "`alphabet` must be a string that names every character once. "
                f"Received: alphabet={alphabet!r}. "
                "`CharacterTokenizer.from_text(text)` collects one from a text."
            )
        self.alphabet = alphabet
        codes = np.array([ord(character) for character in alphabet])
        self._token_of_code = np.full(codes.max() + 2, -1, "int32")  # last: all higher codes
        self._token_of_code[codes] = np.arange(len(alphabet))

    @classmethod
    def from_text(cls, text: str) -> "CharacterTokenizer":
        """A tokenizer of the characters that occur in `text`, in code-point order."""
        return cls("".join(sorted(set(text))))

    @property
    def vocabulary_size(self) -> int:
        """The number of values a token can take; MASK is not counted."""
        return len(self.alphabet)

    def encode(self, text: str) -> np.ndarray:
        """Turns text into tokens.

        Args:
            text: A text of characters of the alphabet.

        Returns:
            int32, shape `[len(text)]`.

        Raises:
            ValueError: A character does not belong to the alphabet.
        """
        if text.isascii():
            codes = np.frombuffer(text.encode("ascii"), "uint8").astype("uint32")
        else:
            codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "uint32")
        tokens = self._token_of_code[np.minimum(codes, len(self._token_of_code) - 1)]  # [length]
        if tokens.size and tokens.min() < 0:
            position = int(np.argmax(tokens < 0))
            raise ValueError(
                f"The text holds a character outside the alphabet: {text[position]!r} "
                f"at position {position}. Expected characters of the tokenizer. "
                f"Received: alphabet={self.alphabet!r}. Normalise the text first "
                "(`normalise_text8`), or use `CharacterTokenizer.from_text` or `ByteTokenizer`."
            )
        return tokens

    def _decode_row(self, row, mask_symbol):
        symbols = [*self.alphabet, mask_symbol]
        return "".join([symbols[token] for token in row.tolist()])

    def get_config(self) -> dict:
        return {"alphabet": self.alphabet}

    @classmethod
    def from_config(cls, config: dict) -> "CharacterTokenizer":
        return cls(**config)


@keras.saving.register_keras_serializable(package="md4keras")
class ByteTokenizer(_Tokenizer):
    """One token for each byte of the text in UTF-8: any text in any language, 256 values.

    Bytes that form no character (a model can generate them) are decoded as U+FFFD.

    Example:

    >>> ByteTokenizer().encode("né").tolist()
    [110, 195, 169]
    """

    @property
    def vocabulary_size(self) -> int:
        """The number of values a token can take; MASK is not counted."""
        return 256

    def encode(self, text: str) -> np.ndarray:
        """Turns text into its UTF-8 bytes: int32, shape `[bytes]`."""
        return np.frombuffer(text.encode("utf-8", "replace"), "uint8").astype("int32")

    def _decode_row(self, row, mask_symbol):
        symbols = [bytes([value]) for value in range(256)] + [mask_symbol.encode()]
        return b"".join([symbols[token] for token in row.tolist()]).decode("utf-8", "replace")

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> "ByteTokenizer":
        return cls(**config)


def fit(text: str):
    """Chooses a tokenizer for a text: its own characters while a byte could number them.

    Args:
        text: The whole text, validation part included.

    Returns:
        A `CharacterTokenizer` of the text's characters, or, where it has more than 256 different
        ones, a `ByteTokenizer`.
    """
    if len(set(text)) > 256:
        return ByteTokenizer()
    return CharacterTokenizer.from_text(text)


_CLASSES = {cls.__name__: cls for cls in (CharacterTokenizer, ByteTokenizer)}


def serialize(tokenizer) -> dict:
    """Describes a tokenizer in plain JSON values: `{"class": ..., "config": ...}`."""
    if type(tokenizer) not in _CLASSES.values():
        raise ValueError(
            f"This tokenizer cannot be saved: expected one of {sorted(_CLASSES)}. "
            f"Received: tokenizer={tokenizer!r}. Use one of them."
        )
    return {"class": type(tokenizer).__name__, "config": tokenizer.get_config()}


def from_config(description: dict):
    """Builds the tokenizer that `serialize` described. Only this file's classes are ever built."""
    name = description.get("class") if isinstance(description, dict) else None
    known = isinstance(name, str) and name in _CLASSES
    if not known or not isinstance(description.get("config"), dict):
        raise ValueError(
            f"Unknown tokenizer: expected {{'class': one of {sorted(_CLASSES)}, 'config': dict}}. "
            f"Received: description={description!r}. Write such descriptions with `serialize`."
        )
    try:
        return _CLASSES[name].from_config(description["config"])
    except TypeError as error:
        raise ValueError(
            f"The configuration of {name} has a wrong key: expected what its `get_config` returns. "
            f"Received: config={description['config']!r}. Write such descriptions with `serialize`."
        ) from error
