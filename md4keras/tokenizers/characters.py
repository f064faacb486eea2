"""One token for each character of an alphabet, such as the 27 symbols of text8."""

import re

import keras
import numpy as np

from md4keras.tokenizers.tokenizer import END_TOKEN, Tokenizer

TEXT8_ALPHABET = " abcdefghijklmnopqrstuvwxyz"

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def normalise_text8(text: str) -> str:
    """Reduces any text to `TEXT8_ALPHABET`.

    Upper-case letters become lower-case, every digit is spelled out as a word of its own, and each
    run of anything else becomes one space, as `wikifil.pl` does for text8. Spaces at both ends are
    dropped.

    Example:

    >>> normalise_text8("In 42 B.C.!")
    'in four two b c'
    """
    spelled = re.sub("[0-9]", lambda digit: f" {DIGIT_WORDS[int(digit[0])]} ", text.lower())
    return re.sub("[^a-z]+", " ", spelled).strip()


@keras.saving.register_keras_serializable(package="md4keras")
class CharacterTokenizer(Tokenizer):
    """One token for each character of a given alphabet.

    Args:
        alphabet: str, the characters, each once; a character's token is its place here.
        end_token: bool, whether there is one value more, the end of a text; see `ByteTokenizer`.

    Example:

    >>> tokenizer = CharacterTokenizer(TEXT8_ALPHABET)
    >>> tokenizer.decode(tokenizer.encode("a cat"))
    'a cat'
    """

    unit = "character"

    def __init__(self, alphabet: str = TEXT8_ALPHABET, end_token: bool = False):
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
        if end_token:
            self.end_token, self.end_token_id = END_TOKEN, len(alphabet)

    @classmethod
    def from_text(cls, text: str, end_token: bool = False) -> "CharacterTokenizer":
        """A tokenizer of the characters that occur in `text`, in code-point order."""
        return cls("".join(sorted(set(text))), end_token)

    @property
    def vocabulary_size(self) -> int:
        """The number of values a token can take; the mask is not counted."""
        return len(self.alphabet) + (self.end_token is not None)

    def encode(self, text: str) -> np.ndarray:
        """Turns text into tokens, int32 `[len(text)]`.

        Raises:
            ValueError: if a character does not belong to the alphabet.
        """
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "uint32")
        tokens = self._token_of_code[np.minimum(codes, len(self._token_of_code) - 1)]  # [length]
        if tokens.size and tokens.min() < 0:
            position = int(np.argmax(tokens < 0))
            raise ValueError(
                f"{text[position]!r} at position {position} is outside the alphabet. Expected "
                f"characters of the tokenizer. Received: alphabet={self.alphabet!r}. Apply "
                "`normalise_text8`, or use `CharacterTokenizer.from_text` or `ByteTokenizer`."
            )
        return tokens

    def decode_run(self, ids) -> str:
        return "".join([self.alphabet[token] for token in ids.tolist()])

    def bytes_of(self, token: int) -> bytes:
        """What a token stands for in a text in UTF-8."""
        return self.alphabet[token].encode("utf-8", "replace")

    def get_config(self) -> dict:
        config = {"alphabet": self.alphabet}
        return config if self.end_token is None else {**config, "end_token": True}
