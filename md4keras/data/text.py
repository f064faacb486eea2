"""Texts as tokens: splitting one, and the windows that training cuts."""

import numpy as np

from md4keras.checks import Interval, check_integers, check_number, check_whole
from md4keras.data.batches import batches

__all__ = ["split_text", "text_dataset", "text_windows"]


def split_text(tokens, validation_fraction: float = 0.1):
    """The two parts of a text: the beginning is for training, the tail for validation.

    Args:
        tokens: array `[length]`, or a string.
        validation_fraction: float in `(0, 1)`, the part at the end that is held out.

    Example:

    >>> split_text("what a text", validation_fraction=0.4)
    ('what a ', 'text')
    """
    inside = Interval(0, 1, with_low=False, with_high=False)
    check_number("validation_fraction", validation_fraction, inside, "Use 0.1, for instance.")
    cut = len(tokens) - int(len(tokens) * validation_fraction)
    if cut in (0, len(tokens)):
        raise ValueError(
            "The text is too short to be split. Expected a token or more on each side. Received: "
            f"{len(tokens)} tokens, validation_fraction={validation_fraction}. Use a longer text."
        )
    return tokens[:cut], tokens[cut:]


def text_dataset(
    tokens,
    sequence_length: int,
    batch_size: int,
    training: bool,
    seed: int = 0,
    start_batch: int = 0,
    shard: tuple[int, int] = (0, 1),
):
    """Windows of a text, ready for `fit` (`training=True`) or `evaluate`.

    In training a window may start at any token; all starts come once an epoch, in the order that
    `batches` says. Otherwise the windows follow one another without overlap, once; what is left
    at the end and does not fill a window is dropped.

    Args:
        tokens: ints `[length]`.
        sequence_length: int, tokens in a window.
        batch_size, training, seed, start_batch, shard: as in `batches`.

    Returns:
        A `grain.IterDataset` of int32 arrays `[batch, sequence_length]`.

    Example:

    >>> data = md4keras.data.text_dataset(np.arange(7), 3, batch_size=2, training=False)
    >>> [batch.tolist() for batch in data]
    [[[0, 1, 2], [3, 4, 5]]]
    """
    windows = _all_windows(tokens, sequence_length)  # [starts, sequence_length], a view
    if not training:
        windows = windows[::sequence_length]

    def gather(indices, generator):
        return windows[indices].astype("int32")  # [batch, sequence_length]

    return batches(gather, len(windows), batch_size, training, seed, start_batch, shard)


def text_windows(tokens, sequence_length: int) -> np.ndarray:
    """The windows of `text_dataset(training=False)` as one array.

    For `fit(validation_data=...)` and `evaluate`: Keras warns that a finite Grain data set "ran
    out of data", but knows where an array ends.

    Args:
        tokens, sequence_length: as in `text_dataset`.

    Returns:
        int32 `[length // sequence_length, sequence_length]`.

    Example:

    >>> text_windows(np.arange(7), 3).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    return _all_windows(tokens, sequence_length)[::sequence_length].astype("int32")


def _all_windows(tokens, sequence_length):
    mend = "Encode the text with a tokenizer first."
    tokens = check_integers("tokens", tokens, ("length",), mend=mend)
    check_whole("sequence_length", sequence_length, mend="Use 128, for instance.")
    if len(tokens) < sequence_length:
        raise ValueError(
            "The text is too short for one window. Expected at least so many tokens. Received: "
            f"{len(tokens)} tokens, sequence_length={sequence_length}. Use a longer text."
        )
    return np.lib.stride_tricks.sliding_window_view(tokens, sequence_length)
