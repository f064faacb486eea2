"""Tokenizers inside a graph: strings to tokens and back, gaps included."""

import numpy as np
import tensorflow as tf

from md4keras.data.gaps import fewest_underscores
from md4keras.export import checks
from md4keras.tokenizers import BytePairTokenizer, ByteTokenizer, CharacterTokenizer

_MOST_BYTES = 4  # of a character in UTF-8

# Not their subclasses, which may do something else to a text.
READ_AND_WRITTEN = (CharacterTokenizer, ByteTokenizer)
"""The classes whose encoding can be operations of TensorFlow."""
WRITTEN = (*READ_AND_WRITTEN, BytePairTokenizer)
"""The classes whose decoding can be operations of TensorFlow: all that have `bytes_of`."""


class GraphDecoder:
    """The decoding of one of `WRITTEN` as operations of TensorFlow."""

    def __init__(self, tokenizer):
        self._end = tokenizer.end_token_id
        self._whole = tokenizer.unit == "character"
        self._symbols = _symbols(tokenizer)

    def decode(self, tokens, filled=None):
        """Tokens int32 `[B, L]` to text, string `[B]`, cut at its end, always valid UTF-8.

        `filled`, bool `[B, L]`, are gaps that were filled; see `md4keras.tokenizers.until_end`.
        """
        symbols = tf.gather(tf.constant(self._symbols), tokens)  # [B, L]
        if self._end is not None:
            ends = tf.cast(tf.equal(tokens, self._end), "int32")
            if filled is not None:  # an end before the last token that was given is none
                given = tf.cast(~filled, "int32")
                ends *= tf.cast(
                    tf.cumsum(given, axis=-1, exclusive=True, reverse=True) == 0, "int32"
                )
            ended = tf.cumsum(ends, axis=-1) > 0
            symbols = tf.where(ended, tf.constant(b""), symbols)
        text = tf.strings.reduce_join(symbols, axis=-1)
        if not self._whole:  # a model can generate bytes that form no character
            text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        return text


class GraphTokenizer(GraphDecoder):
    """One of `READ_AND_WRITTEN` as operations of TensorFlow.

    More than `most` tokens of a text, or `most_rows` texts, are refused before they are read.
    """

    def __init__(self, tokenizer, most: int, most_rows: int):
        super().__init__(tokenizer)
        self._mask_token = tokenizer.mask_token
        self.fewest_underscores = fewest_underscores(tokenizer)
        self._of_bytes = tokenizer.unit == "byte"
        self._most, self._most_rows = most, most_rows
        self._most_bytes = most * (1 if self._of_bytes else _MOST_BYTES)
        codes = range(256) if self._of_bytes else [ord(symbol) for symbol in tokenizer.alphabet]
        self._order = np.argsort(codes).astype("int32")  # the token of each sorted code
        self._codes = np.sort(codes).astype("int32")

    def encode(self, text, gaps: bool = False):
        """Text, string `[B]`, to tokens, int32 `[B, L]`; refuses what cannot be encoded.

        With `gaps`, runs of underscores become masks, one a character, as
        `md4keras.data.gaps.parse_gaps` reads them. (`[mask 12]` is text here.)
        """
        counted = [
            checks.count_in("text", "rows", tf.size(text), self._most_rows),
            checks.count_in("text", "bytes a row", tf.strings.length(text), self._most_bytes),
        ]
        codes = self._codes_of(checks.after(counted, text))  # [B, L]
        counted = [checks.count_in("tokens", "tokens a row", tf.shape(codes)[1], self._most)]
        codes = checks.after(counted, codes)
        gap = self._gaps(codes) if gaps else tf.zeros_like(codes, dtype=bool)
        place = tf.searchsorted(self._codes, tf.reshape(codes, (-1,)))
        place = tf.reshape(tf.minimum(place, len(self._codes) - 1), tf.shape(codes))
        known = tf.equal(tf.gather(self._codes, place), codes) | gap
        check = checks.known_characters("text", known, codes)
        tokens = checks.after([check], tf.gather(self._order, place))
        return tf.where(gap, self._mask_token, tokens)

    def _codes_of(self, text):
        """Code points, or bytes, of each row, int32 `[B, L]`."""
        if self._of_bytes:
            check = checks.equal_lengths("text", tf.strings.length(text))
            return tf.cast(tf.io.decode_raw(checks.after([check], text), tf.uint8), "int32")
        codes = tf.strings.unicode_decode(text, "UTF-8", errors="replace")
        check = checks.equal_lengths("text", codes.row_lengths())
        return tf.reshape(checks.after([check], codes.flat_values), (tf.shape(text)[0], -1))

    def _gaps(self, codes):
        """Where enough underscores stand in a row, bool `[B, L]`."""
        least, length = self.fewest_underscores, tf.shape(codes)[1]
        around = tf.pad(tf.equal(codes, ord("_")), ((0, 0), (least - 1, least - 1)))
        shifted = [around[:, i : i + length + least - 1] for i in range(least)]
        starts = tf.reduce_all(shifted, axis=0)  # [B, L + least - 1], whether all from here are
        return tf.reduce_any([starts[:, i : i + length] for i in range(least)], axis=0)


def _symbols(tokenizer) -> list[bytes]:
    """What each token stands for in a text; nothing for an end and for padding."""
    special = (tokenizer.end_token_id, tokenizer.padding_id)
    tokens = range(tokenizer.vocabulary_size)
    return [b"" if token in special else tokenizer.bytes_of(token) for token in tokens]
