"""The tokenizers inside a graph: strings to tokens and back, gaps included."""

import numpy as np
import tensorflow as tf

from md4keras.data import ByteTokenizer
from md4keras.data.gaps import fewest_underscores
from md4keras.export import checks

# A code point that is no character stands for one token of a gap.
_GAP = "\U0010ffff"
_GAP_CODE, _GAP_BYTE = 0x10FFFF, b"\xff"  # no byte of a text in UTF-8 is 255
_MOST_BYTES = 4  # of a character in UTF-8


class GraphTokenizer:
    """A tokenizer of `md4keras.data` as operations of TensorFlow.

    Args:
        tokenizer: a `CharacterTokenizer` or `ByteTokenizer`.
        most: int, tokens of a text; longer ones are refused before they are read.
    """

    def __init__(self, tokenizer, most: int):
        self.mask_token = tokenizer.mask_token
        self._of_bytes = isinstance(tokenizer, ByteTokenizer)
        self.fewest_underscores = fewest_underscores(tokenizer)
        self._most = most
        if self._of_bytes:
            self._symbols = [bytes([value]) for value in range(256)]
        else:
            alphabet = tokenizer.alphabet
            self._symbols = [symbol.encode("utf-8", "replace") for symbol in alphabet]
            codes = np.array([ord(symbol) for symbol in alphabet], "int32")
            self._order = np.argsort(codes).astype("int32")  # the token of each sorted code
            self._codes = codes[self._order]

    def decode(self, tokens):
        """Tokens int32 `[B, L]` to text, string `[B]`, always valid UTF-8."""
        text = tf.strings.reduce_join(tf.gather(tf.constant(self._symbols), tokens), axis=-1)
        if self._of_bytes:  # a model can generate bytes that form no character
            text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        return text

    def encode(self, text, gaps: bool = False):
        """Text, string `[B]`, to tokens, int32 `[B, L]`; refuses what cannot be encoded.

        Args:
            text: string tensor `[B]`; its rows must have the same number of tokens.
            gaps: bool, whether runs of underscores become masks, one a character, as
                `md4keras.data.gaps.parse_gaps` reads them.
        """
        size = tf.strings.length(text)
        most = self._most * (1 if self._of_bytes else _MOST_BYTES)
        short = checks.in_range("The number of bytes of a text", size, 1, most)
        text = checks.after([short], {"text": text})["text"]
        if gaps:
            text = self._mark_gaps(text)
        return self._encode_bytes(text, gaps) if self._of_bytes else self._encode(text, gaps)

    def _mark_gaps(self, text):
        least = self.fewest_underscores
        text = tf.strings.regex_replace(text, "_" * least, _GAP * least)
        for _ in range(least - 1):  # what is left of a run of underscores
            text = tf.strings.regex_replace(text, f"{_GAP}_", _GAP * 2)
        if self._of_bytes:
            text = tf.strings.regex_replace(text, _GAP, _GAP_BYTE)
        return text

    def _encode_bytes(self, text, gaps):
        check = checks.equal_lengths("text", tf.strings.length(text))
        text = checks.after([check], {"text": text})["text"]
        tokens = tf.cast(tf.io.decode_raw(text, tf.uint8), "int32")  # [B, L]
        gap = tf.equal(tokens, _GAP_BYTE[0])
        return tf.where(gap, self.mask_token, tokens) if gaps else tokens

    def _encode(self, text, gaps):
        codes = tf.strings.unicode_decode(text, "UTF-8", errors="replace")
        check = checks.equal_lengths("text", codes.row_lengths())
        codes = checks.after([check], {"codes": codes.to_tensor()})["codes"]  # [B, L]
        place = tf.searchsorted(self._codes, tf.reshape(codes, (-1,)))
        place = tf.reshape(tf.minimum(place, len(self._codes) - 1), tf.shape(codes))
        known = tf.equal(tf.gather(self._codes, place), codes)
        tokens = tf.gather(self._order, place)
        if gaps:
            gap = tf.equal(codes, _GAP_CODE)
            tokens, known = tf.where(gap, self.mask_token, tokens), known | gap
        check = checks.known_characters("text", known, codes)
        return checks.after([check], {"tokens": tokens})["tokens"]
