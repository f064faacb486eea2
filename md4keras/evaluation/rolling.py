"""Likelihoods of texts of any length: windows in which each token is scored once."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from md4keras.checks import check_integers, check_whole
from md4keras.evaluation import texts as text_inputs

PART = 32
"""Texts whose windows are scored together."""


@dataclasses.dataclass(frozen=True, eq=False)
class RollingLikelihood:
    """What whole texts cost, summed over their windows.

    Attributes:
        nats, error: float64 `[n]`, the bound on `-log q(x)` of each text, and its standard error.
            `q(x)` is the product over windows of `p(new tokens | context in the window)`.
        tokens: int64 `[n]`, the tokens of each text, all of which are scored.
        window, stride: ints, the tokens of a window, and how many of them are new.
    """

    nats: np.ndarray
    error: np.ndarray
    tokens: np.ndarray
    window: int
    stride: int


def rolling_rows(tokens, window: int, stride: int | None = None) -> dict:
    """A text as rows of one length, in which each token is scored exactly once.

    The first window scores all its tokens. Each later one scores the next `stride` tokens; the
    `window - stride` before them are given. The last one ends where the text ends: it has fewer
    new tokens and more that are given.

    Args:
        tokens: ints `[length]` in `[0, 2**31)`, at least one.
        window: int, the tokens of a row: the length that the model was trained at.
        stride: int from 1 to `window`, how far a window moves; `None` for half a window. With
            `window` nothing is given, but in the last window.

    Returns:
        A dictionary of arrays `[rows, window]`, as `model.score` takes it: int32 `"tokens"`, bool
        `"given"`; and bool `"padding_mask"` where the text is shorter than a window.

    Raises:
        ValueError: for what are no tokens, or a bad window or stride.

    Example:

    >>> rows = rolling_rows([1, 2, 3, 4, 5, 6, 7], window=4, stride=2)
    >>> rows["tokens"]
    array([[1, 2, 3, 4],
           [3, 4, 5, 6],
           [4, 5, 6, 7]], dtype=int32)
    >>> rows["given"].astype(int)
    array([[0, 0, 0, 0],
           [1, 1, 0, 0],
           [1, 1, 1, 0]])
    """
    tokens = check_integers("tokens", tokens, ("length",), 2**31, "Give the tokens of one text.")
    window, stride = check_strides(window, stride)
    length = len(tokens)
    ends = np.append(np.arange(window, length, stride), length)  # [rows]
    scored_before = np.append(0, ends[:-1])
    places = np.maximum(ends - window, 0)[:, None] + np.arange(window)  # [rows, window]
    padded = np.pad(tokens.astype("int32"), (0, max(0, window - length)))
    rows = {"tokens": padded[places], "given": places < scored_before[:, None]}
    return rows if length >= window else {**rows, "padding_mask": places < length}


def rolling_likelihood(
    model,
    texts,
    stride: int | None = None,
    window: int | None = None,
    num_samples: int = 64,
    seed: int = 0,
    batch_size: int = 64,
) -> RollingLikelihood:
    """A bound on what each of several whole texts costs, window by window.

    Args:
        model: a model of text.
        texts: a list of strings, which the model's tokenizer encodes, or of int arrays `[length]`.
            No end token is added.
        stride: int, the new tokens of a window; `None` for half a window. Smaller ones give more
            context and take more time.
        window: int, the tokens of a window; `None` for the training length.
        num_samples, batch_size: as of `model.score`.
        seed: int in `[0, 2**32)`; what row `i` of all texts' rows costs depends on `(seed, i)`.

    Returns:
        A `RollingLikelihood`, which states window and stride.

    Raises:
        ValueError: for what is no list of texts, an empty text, a bad window or stride, a model of
            images, or text without a tokenizer.

    Example:

    >>> texts = [np.arange(20) % 5]
    >>> found = md4keras.evaluation.rolling_likelihood(model, texts, num_samples=2)
    >>> found.tokens.tolist(), found.nats.round(1).tolist()  # 20 ln 5
    ([20], [32.2])
    """
    parts = list(rolling_steps(model, texts, stride, window, num_samples, seed, batch_size))
    sums = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("nats", "error", "tokens")
    )
    return RollingLikelihood(*sums, parts[0].window, parts[0].stride)


def rolling_steps(
    model,
    texts,
    stride: int | None = None,
    window: int | None = None,
    num_samples: int = 64,
    seed: int = 0,
    batch_size: int = 64,
) -> Iterator[RollingLikelihood]:
    """The bounds of `rolling_likelihood`, which takes the same, as an iterator: `PART` texts each.

    Everything is checked before anything is scored.
    """
    length = text_inputs.training_length(model)
    window, stride = check_strides(length if window is None else window, stride)
    encoded = text_inputs.encode(model, texts)
    return _parts(model, encoded, (window, stride), (num_samples, seed, batch_size))


def _parts(model, encoded, strides, how):
    """A `RollingLikelihood` of each `PART` of texts that are encoded."""
    first = 0  # row of a part, counted through all texts
    for begin in range(0, len(encoded), PART):
        texts = encoded[begin : begin + PART]
        parts = [rolling_rows(text, *strides) for text in texts]
        rows = _together(parts)
        nats, error = text_inputs.score_batch(model, rows, *how, first)
        first += len(nats)
        text = np.repeat(np.arange(len(parts)), [len(p["tokens"]) for p in parts])  # of each row
        lengths = np.array([len(tokens) for tokens in texts])
        nats, error = np.bincount(text, nats), np.sqrt(np.bincount(text, error**2))
        yield RollingLikelihood(nats, error, lengths, *strides)


def _together(parts: list[dict]) -> dict:
    """The rows of several texts in one dictionary."""
    rows = {name: np.concatenate([part[name] for part in parts]) for name in ("tokens", "given")}
    if any("padding_mask" in part for part in parts):
        masks = [part.get("padding_mask", np.ones_like(part["given"])) for part in parts]
        rows["padding_mask"] = np.concatenate(masks)
    return rows


def check_strides(window, stride) -> tuple[int, int]:
    """The window and the stride, half a window where there is none; else a `ValueError`."""
    check_whole("window", window, mend="Give the length that the model was trained at.")
    stride = max(1, window // 2) if stride is None else stride
    mend = "It is how many new tokens a window has; a window's length leaves no context."
    return int(window), int(check_whole("stride", stride, 1, window, mend))
