"""Tokenizers: characters, bytes, word pieces, and what any other class needs to be one."""

from md4keras.tokenizers.byte_pair import BytePairTokenizer
from md4keras.tokenizers.byte_pair_format import MOST_BYTES
from md4keras.tokenizers.bytes import ByteTokenizer
from md4keras.tokenizers.characters import TEXT8_ALPHABET, CharacterTokenizer, normalise_text8
from md4keras.tokenizers.loading import load, named
from md4keras.tokenizers.special_tokens import add_end, add_spare, differ_in_spare
from md4keras.tokenizers.tokenizer import (
    END_TOKEN,
    Tokenizer,
    decode_masked,
    encode_batch,
    get,
    is_known,
    serialize,
    until_end,
)

__all__ = [
    "END_TOKEN",
    "MOST_BYTES",
    "TEXT8_ALPHABET",
    "BytePairTokenizer",
    "ByteTokenizer",
    "CharacterTokenizer",
    "Tokenizer",
    "add_end",
    "add_spare",
    "decode_masked",
    "differ_in_spare",
    "encode_batch",
    "fit",
    "get",
    "is_known",
    "load",
    "named",
    "normalise_text8",
    "serialize",
    "until_end",
]


def fit(text: str, end_token: bool = False) -> Tokenizer:
    """A `CharacterTokenizer` of a text's characters; above 256 of them, a `ByteTokenizer`.

    Args:
        text: str, the whole text, validation part included.
        end_token: bool, whether there is a token for the end of a text; see `ByteTokenizer`.
    """
    if len(set(text)) > 256:
        return ByteTokenizer(end_token)
    return CharacterTokenizer.from_text(text, end_token)
