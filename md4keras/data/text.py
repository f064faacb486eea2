"""Text: the corpus in the package, the user's own files, and the windows that training cuts."""

import importlib.resources
import lzma
from pathlib import Path

import numpy as np

from md4keras.data.batches import batches
from md4keras.data.downloads import text8

__all__ = [
    "pydoc",
    "read_text",
    "split_text",
    "text8",
    "text_dataset",
    "text_windows",
]

_MAX_BYTES = 2**31


def pydoc() -> str:
    """The Python documentation's language topics in the 27 symbols of text8.

    The text is shipped in this package (70 kB), so every Python version trains on the same one.
    It was made by `make_pydoc.py` from `pydoc_data.topics` of Python 3.11.7; `pydoc_LICENSE.txt`
    holds the licence of the Python Software Foundation.

    Returns:
        386,903 characters: a to z and space.
    """
    folder = importlib.resources.files("md4keras.data")
    return lzma.decompress((folder / "pydoc.txt.xz").read_bytes()).decode("ascii")


def read_text(path, max_bytes: int = _MAX_BYTES, min_characters: int = 1) -> str:
    """Reads the user's own text.

    Args:
        path: A text file, or a folder whose `*.txt` files (in all sub-folders, in the order of
            their names) are joined by line breaks. UTF-8; a byte order mark is dropped.
        max_bytes: What all files may hold together.
        min_characters: What the text must have at least: ten times the sequence length if a tenth
            of it is to be held out.

    Returns:
        The text, with line breaks as `"\\n"`.

    Raises:
        ValueError: There is nothing at `path`, it cannot be read, holds no text, is no UTF-8 text
            is larger than `max_bytes` or shorter than `min_characters`. The message names the
            file.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise ValueError(
            "There is no text at this path: expected a text file or a folder of `*.txt` files. "
            f"Received: path={str(path)!r}. Check the spelling."
        )
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.txt") if file.is_file())
        if not files:
            raise ValueError(
                "This folder holds no text: expected at least one file `*.txt` in it. "
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
            "The text is empty: expected some characters that are not white space. "
            f"Received: path={str(path)!r}. Choose another file or folder."
        )
    if len(text) < min_characters:
        raise ValueError(
            f"The text is too short: expected at least {min_characters} characters. "
            f"Received: path={str(path)!r} of {len(text)} characters. Choose a longer text."
        )
    return text


def _read_regular_file(file: Path, bytes_left: int) -> bytes:
    try:
        if not file.is_file():
            raise OSError("it is no regular file")
        if file.stat().st_size > bytes_left:
            raise ValueError(
                f"The text is too large: expected at most `max_bytes` in all. "
                f"Received: {str(file)!r} of {file.stat().st_size} bytes, {bytes_left} bytes left. "
                "Raise `max_bytes`, or train on a part of the text."
            )
        with open(file, "rb") as stream:
            return stream.read(bytes_left)
    except OSError as error:
        raise ValueError(
            f"This file cannot be read ({error.strerror or error}): expected a readable text file. "
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
        f"This file is not text: expected UTF-8, found {found} at position {position}. "
        f"Received: path={str(file)!r}. Convert it to UTF-8, or leave it out."
    )


def split_text(tokens, validation_fraction: float = 0.1):
    """Cuts a text once: the beginning is for training, the tail for validation, as in text8.

    Args:
        tokens: An array of shape `[length]`, or a string.
        validation_fraction: The part at the end that is held out, in `(0, 1)`.

    Returns:
        The training part and the validation part.
    """
    if not 0.0 < validation_fraction < 1.0:
        raise ValueError(
            "`validation_fraction` must lie between 0 and 1, without either. "
            f"Received: validation_fraction={validation_fraction}. Use 0.1, for instance."
        )
    cut = len(tokens) - int(len(tokens) * validation_fraction)
    if cut in (0, len(tokens)):
        raise ValueError(
            "The text is too short to be split: expected at least one token on each side. "
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
        tokens: Integers, shape `[length]`.
        sequence_length: Tokens in a window.
        batch_size: Windows in a batch. Outside training the last batch may be smaller.
        training: Whether the windows overlap, are shuffled and never end.
        seed: Decides the order in training.
        start_batch: The number of the first batch: a run resumes exactly with the number of
            batches that were used before.

    Returns:
        A `grain.IterDataset` of int32 arrays of shape `[batch, sequence_length]`.
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
        tokens: Integers, shape `[length]`.
        sequence_length: Tokens in a window.

    Returns:
        int32, shape `[length // sequence_length, sequence_length]`.
    """
    return _all_windows(tokens, sequence_length)[::sequence_length].astype("int32")


def _all_windows(tokens, sequence_length):
    tokens = np.asarray(tokens)
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            "`tokens` is no encoded text: expected integers of shape [length]. "
            f"Received: tokens of shape={tokens.shape} and dtype={tokens.dtype}. "
            "Encode the text with a tokenizer first."
        )
    if not isinstance(sequence_length, int | np.integer) or sequence_length < 1:
        raise ValueError(
            "`sequence_length` must be a positive integer. "
            f"Received: sequence_length={sequence_length!r}. Use 128, for instance."
        )
    if len(tokens) < sequence_length:
        raise ValueError(
            "The text is too short for one window: expected at least `sequence_length` tokens. "
            f"Received: {len(tokens)} tokens, sequence_length={sequence_length}. "
            "Use a longer text or shorter windows."
        )
    return np.lib.stride_tricks.sliding_window_view(tokens, sequence_length)
