"""One token for each byte of a text."""

import keras
import numpy as np

from md4keras.tokenizers.tokenizer import Tokenizer


@keras.saving.register_keras_serializable(package="md4keras")
class ByteTokenizer(Tokenizer):
    """One token for each byte of the text in UTF-8: any text in any language, 256 values.

    Bytes that form no character (a model can generate them) are decoded as U+FFFD.

    Example:

    >>> ByteTokenizer().encode("né").tolist()
    [110, 195, 169]
    """

    vocabulary_size = 256

    def encode(self, text: str) -> np.ndarray:
        """Turns text into its UTF-8 bytes, int32 `[bytes]`."""
        return np.frombuffer(text.encode("utf-8", "replace"), "uint8").astype("int32")

    def decode_run(self, ids) -> str:
        return np.asarray(ids, "uint8").tobytes().decode("utf-8", "replace")

    def get_config(self) -> dict:
        return {}
