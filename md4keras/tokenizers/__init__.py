"""Tokenizers: characters, bytes, word pieces, and what any other class needs to be one."""

from md4keras.tokenizers.byte_pair import BytePairTokenizer
from md4keras.tokenizers.byte_pair_format import MOST_BYTES
from md4keras.tokenizers.bytes import ByteTokenizer
from md4keras.tokenizers.characters import TEXT8_ALPHABET, CharacterTokenizer, normalise_text8
from md4keras.tokenizers.chat import apply_chat_template
from md4keras.tokenizers.descriptions import get, is_known, serialize
from md4keras.tokenizers.loading import load, named
from md4keras.tokenizers.special_tokens import (
    add_end,
    add_spare,
    differ_in_spare,
    special_ids,
    without_token,
)
from md4keras.tokenizers.tokenizer import (
    END_TOKEN,
    Tokenizer,
    decode_masked,
    encode_batch,
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
    "apply_chat_template",
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
    "special_ids",
    "until_end",
    "without_token",
]


def fit(text: str, end_token: bool = False) -> Tokenizer:
    """A `CharacterTokenizer` of a text's characters; above 256 of them, a `ByteTokenizer`.

    Args:
        text: str, the whole text, validation part included.
        end_token: bool, whether there is a token for the end of a text; see `ByteTokenizer`.

    Example:

    >>> fit("banana", end_token=True).vocabulary_size  # a, b, n, and the end
    4
    """
    if len(set(text)) > 256:
        return ByteTokenizer(end_token)
    return CharacterTokenizer.from_text(text, end_token)
