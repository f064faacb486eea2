"""One token for each byte of a text."""

import keras
import numpy as np

from md4keras.tokenizers.tokenizer import END_TOKEN, Tokenizer


@keras.saving.register_keras_serializable(package="md4keras")
class ByteTokenizer(Tokenizer):
    """One token for each byte of the text in UTF-8: any text in any language, 256 values.

    Bytes that form no character (a model can generate them) are decoded as U+FFFD.

    Args:
        end_token: bool, whether there is one value more, the end of a text (`end_token_id`), for
            models of documents that end. Without it all that a model writes is text.

    Example:

    >>> ByteTokenizer().encode("né").tolist()
    [110, 195, 169]
    """

    unit = "byte"

    def __init__(self, end_token: bool = False):
        self.vocabulary_size = 256 + bool(end_token)
        if end_token:
            self.end_token, self.end_token_id = END_TOKEN, 256

    def encode(self, text: str) -> np.ndarray:
        """Turns text into its UTF-8 bytes, int32 `[bytes]`."""
        return np.frombuffer(text.encode("utf-8", "replace"), "uint8").astype("int32")

    def decode_run(self, ids) -> str:
        return np.asarray(ids, "uint8").tobytes().decode("utf-8", "replace")

    def bytes_of(self, token: int) -> bytes:
        """What a token stands for in a text in UTF-8, maybe a part of a character."""
        return bytes([token])

    def get_config(self) -> dict:
        return {} if self.end_token is None else {"end_token": True}
