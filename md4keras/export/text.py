"""The tokenizers inside a graph: strings to tokens and back, gaps included."""

import numpy as np
import tensorflow as tf

from md4keras.data.gaps import fewest_underscores
from md4keras.export import checks
from md4keras.tokenizers import ByteTokenizer, CharacterTokenizer

# A code point that is no character stands for one token of a gap.
_GAP = "\U0010ffff"
_GAP_CODE, _GAP_BYTE = 0x10FFFF, b"\xff"  # no byte of a text in UTF-8 is 255
_MOST_BYTES = 4  # of a character in UTF-8

KINDS = (ByteTokenizer, CharacterTokenizer)
"""The classes that are known here; others, also derived ones, may encode in ways of their own."""


class GraphTokenizer:
    """A tokenizer as operations of TensorFlow.

    Args:
        tokenizer: one of `KINDS`.
        most: int, tokens of a text; longer ones are refused before they are read.
        most_rows: int, texts of a request.
    """

    def __init__(self, tokenizer, most: int, most_rows: int):
        self.mask_token = tokenizer.mask_token
        self._of_bytes = isinstance(tokenizer, ByteTokenizer)
        self.fewest_underscores = fewest_underscores(tokenizer)
        self._most, self._most_rows = most, most_rows
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
                `md4keras.data.gaps.parse_gaps` reads them. (`[mask 12]` is text here.)
        """
        most = self._most * (1 if self._of_bytes else _MOST_BYTES)
        limits = [
            checks.rows("text", text, self._most_rows),
            checks.short_enough("text", text, most),
        ]
        text = checks.after(limits, {"text": text})["text"]
        if not gaps:
            return self._tokens(text, False)
        clean = tf.equal(tf.strings.regex_replace(text, _GAP, ""), text)
        if self._of_bytes:
            clean = [clean, tf.reduce_all(tf.not_equal(self._bytes(text), _GAP_BYTE[0]), axis=1)]
            clean = tf.reduce_all(clean, axis=0)
        marked = checks.after([checks.no_mark("text", clean)], {"text": self._mark_gaps(text)})
        return self._tokens(marked["text"], True)

    def _mark_gaps(self, text):
        least = self.fewest_underscores
        text = tf.strings.regex_replace(text, "_" * least, _GAP * least)
        for _ in range(least - 1):  # what is left of a run of underscores
            text = tf.strings.regex_replace(text, f"{_GAP}_", _GAP * 2)
        if self._of_bytes:
            text = tf.strings.regex_replace(text, _GAP, _GAP_BYTE)
        return text

    def _tokens(self, text, marked: bool):
        """Tokens `[B, L]`; where the text is `marked`, the mask token at the marks."""
        if self._of_bytes:
            tokens = self._bytes(text)
            return tf.where(tf.equal(tokens, _GAP_BYTE[0]) & marked, self.mask_token, tokens)
        codes = self._codes_of(text)
        place = tf.searchsorted(self._codes, tf.reshape(codes, (-1,)))
        place = tf.reshape(tf.minimum(place, len(self._codes) - 1), tf.shape(codes))
        gap = tf.equal(codes, _GAP_CODE) & marked
        known = tf.equal(tf.gather(self._codes, place), codes) | gap
        check = checks.known_characters("text", known, codes)
        tokens = checks.after([check], {"tokens": tf.gather(self._order, place)})["tokens"]
        return tf.where(gap, self.mask_token, tokens)

    def _bytes(self, text):
        check = checks.equal_lengths("text", tf.strings.length(text))
        text = checks.after([check], {"text": text})["text"]
        return tf.cast(tf.io.decode_raw(text, tf.uint8), "int32")  # [B, L]

    def _codes_of(self, text):
        codes = tf.strings.unicode_decode(text, "UTF-8", errors="replace")
        check = checks.equal_lengths("text", codes.row_lengths())
        flat = checks.after([check], {"codes": codes.flat_values})["codes"]
        return tf.reshape(flat, (tf.shape(text)[0], -1))  # [B, L]
