"""Texts: reading and splitting them, and the windows that training cuts."""

from pathlib import Path

import numpy as np

from md4keras.checks import Interval, check_number, check_whole
from md4keras.data.batches import batches

MAX_BYTES = 2**31  # of text files


def read_text(path, max_bytes: int = MAX_BYTES, min_characters: int = 1) -> str:
    """Reads the user's own text.

    Args:
        path: of a text file, or of a folder whose `*.txt` files (in all sub-folders, in the order
            of their names) are joined by line breaks. UTF-8; a byte order mark is dropped.
        max_bytes: int, what all files may hold together.
        min_characters: int, what the text must have at least: ten times the sequence length if a
            tenth of it is to be held out.

    Returns:
        The text, with line breaks as `"\\n"`.

    Raises:
        ValueError: if there is nothing at `path`, it cannot be read, is no UTF-8 text, empty,
            larger than `max_bytes` or shorter than `min_characters`. The message names the file.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise ValueError(
            "There is no text at this path. Expected a text file or a folder of `*.txt` files. "
            f"Received: path={str(path)!r}. Check the spelling."
        )
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.txt") if file.is_file())
        if not files:
            raise ValueError(
                "This folder holds no text. Expected at least one file `*.txt` in it. "
                f"Received: path={str(path)!r}. Name a file, or give the files this ending."
            )
    parts, bytes_left = [], max_bytes
    for file in files:
        data = _read_regular_file(file, bytes_left)
        bytes_left -= len(data)
        parts.append(_decode(data, file))
    text = "\n".join(parts).replace("\r\n", "\n")
    if not text.strip():
        raise ValueError(
            "The text is empty. Expected some characters that are not white space. "
            f"Received: path={str(path)!r}. Choose another file or folder."
        )
    if len(text) < min_characters:
        raise ValueError(
            f"The text is too short. Expected at least {min_characters} characters. "
            f"Received: path={str(path)!r} of {len(text)} characters. Choose a longer text."
        )
    return text


def _read_regular_file(file: Path, bytes_left: int) -> bytes:
    try:
        if not file.is_file():
            raise OSError("it is no regular file")
        if file.stat().st_size > bytes_left:
            raise ValueError(
                "The text is too large. Expected at most `max_bytes` in all. "
                f"Received: {str(file)!r} of {file.stat().st_size} bytes, {bytes_left} bytes left. "
                "Raise `max_bytes`, or train on a part of the text."
            )
        with open(file, "rb") as stream:
            return stream.read(bytes_left)
    except OSError as error:
        raise ValueError(
            f"This file cannot be read ({error.strerror or error}). Expected a readable text file. "
            f"Received: path={str(file)!r}. Check its permissions."
        ) from error


def _decode(data: bytes, file: Path) -> str:
    try:
        text = data.decode("utf-8-sig")
        if "\0" not in text:
            return text
        position, found = text.index("\0"), "a zero byte"
    except UnicodeDecodeError as error:
        position, found = error.start, f"byte 0x{data[error.start]:02x}"
    raise ValueError(
        f"This file is not text. Expected UTF-8, found {found} at position {position}. "
        f"Received: path={str(file)!r}. Convert it to UTF-8, or leave it out."
    )


def split_text(tokens, validation_fraction: float = 0.1):
    """Cuts a text once: the beginning is for training, the tail for validation, as in text8.

    Args:
        tokens: array `[length]`, or a string.
        validation_fraction: float in `(0, 1)`, the part at the end that is held out.

    Returns:
        The training part and the validation part.
    """
    inside = Interval(0, 1, with_low=False, with_high=False)
    check_number("validation_fraction", validation_fraction, inside, "Use 0.1, for instance.")
    cut = len(tokens) - int(len(tokens) * validation_fraction)
    if cut in (0, len(tokens)):
        raise ValueError(
            "The text is too short to be split. Expected at least one token on each side. "
            f"Received: {len(tokens)} tokens, validation_fraction={validation_fraction}. "
            "Use a longer text or another fraction."
        )
    return tokens[:cut], tokens[cut:]


def text_dataset(
    tokens,
    sequence_length: int,
    batch_size: int,
    training: bool,
    seed: int = 0,
    start_batch: int = 0,
):
    """Windows of a text, ready for `fit` (`training=True`) or `evaluate`.

    In training a window may start at any token; all starts are visited once an epoch, in shuffled
    order, without end (pass `steps_per_epoch` to `fit`), and batch `k` depends on `(seed, k)`
    alone. Otherwise the windows follow one another without overlap, once; what is left at the end
    and does not fill a window is dropped.

    Args:
        tokens: ints `[length]`.
        sequence_length: int, tokens in a window.
        batch_size: int, windows in a batch. Outside training the last batch may be smaller.
        training: bool, whether the windows overlap, are shuffled and never end.
        seed: int, of the order in training.
        start_batch: int, of the first batch: a run resumes exactly with the number of batches that
            were used before.

    Returns:
        A `grain.IterDataset` of int32 arrays `[batch, sequence_length]`.
    """
    windows = _all_windows(tokens, sequence_length)  # [starts, sequence_length], a view
    if not training:
        windows = windows[::sequence_length]

    def gather(indices, generator):
        return windows[indices].astype("int32")  # [batch, sequence_length]

    return batches(gather, len(windows), batch_size, training, seed, start_batch)


def text_windows(tokens, sequence_length: int) -> np.ndarray:
    """All windows of the validation text as one array, as `text_dataset(training=False)` has them.

    For `fit(validation_data=...)` and `evaluate`: Keras warns that any finite Grain data set "ran
    out of data", but knows where an array ends.

    Args:
        tokens: ints `[length]`.
        sequence_length: int, tokens in a window.

    Returns:
        int32 `[length // sequence_length, sequence_length]`.
    """
    return _all_windows(tokens, sequence_length)[::sequence_length].astype("int32")


def _all_windows(tokens, sequence_length):
    tokens = np.asarray(tokens)
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            "`tokens` is no encoded text. Expected integers of shape [length]. "
            f"Received: tokens of shape={tokens.shape} and dtype={tokens.dtype}. "
            "Encode the text with a tokenizer first."
        )
    check_whole("sequence_length", sequence_length, mend="Use 128, for instance.")
    if len(tokens) < sequence_length:
        raise ValueError(
            "The text is too short for one window. Expected at least `sequence_length` tokens. "
            f"Received: {len(tokens)} tokens, sequence_length={sequence_length}. "
            "Use a longer text or shorter windows."
        )
    return np.lib.stride_tricks.sliding_window_view(tokens, sequence_length)
