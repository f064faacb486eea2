"""Tokenizers: characters, bytes, and what any other class needs to be one."""

from md4keras.tokenizers.bytes import ByteTokenizer
from md4keras.tokenizers.characters import TEXT8_ALPHABET, CharacterTokenizer, normalise_text8
from md4keras.tokenizers.tokenizer import Tokenizer, decode_masked, get, is_known, serialize

__all__ = [
    "TEXT8_ALPHABET",
    "ByteTokenizer",
    "CharacterTokenizer",
    "Tokenizer",
    "decode_masked",
    "fit",
    "get",
    "is_known",
    "normalise_text8",
    "serialize",
]


def fit(text: str) -> Tokenizer:
    """A `CharacterTokenizer` of a text's characters; above 256 of them, a `ByteTokenizer`.

    Args:
        text: str, the whole text, validation part included.
    """
    return ByteTokenizer() if len(set(text)) > 256 else CharacterTokenizer.from_text(text)
