"""Variety of samples, whatever they show."""

import numpy as np

from md4keras.checks import check_integers
from md4keras.models import batches

__all__ = ["distinct_fraction", "token_entropy"]


def distinct_fraction(tokens) -> float:
    """The fraction of samples that occur nowhere before them in the list.

    Args:
        tokens: int `[n, *data_shape]`, with `n` of at least 1, or a list of texts' ids.

    Returns:
        1 where all differ; `1 / n` where all are the same.

    Raises:
        ValueError: for what are no samples.

    Example:

    >>> distinct_fraction([[1, 2], [1, 3], [1, 2], [1, 2]])
    0.5
    """
    rows = rows_of(tokens)
    return len({row.tobytes() for row in rows}) / len(rows)


def token_entropy(tokens) -> float:
    """Entropy of how often each token occurs in all samples together: `-sum_v f(v) log2 f(v)`.

    It does not look at the order. Far below that of real data, samples repeat a few tokens.

    Args:
        tokens: int `[n, *data_shape]`, with `n` of at least 1, or a list of texts' ids.

    Returns:
        Bits, from 0 (one token everywhere) to `log2` of the number of tokens that occur.

    Raises:
        ValueError: for what are no samples.

    Example:

    >>> token_entropy([[0, 1, 2, 3]])
    2.0
    """
    counts = np.unique(np.concatenate(rows_of(tokens)), return_counts=True)[1]
    f = counts / counts.sum()
    return float(0.0 - (f * np.log2(f)).sum())


def rows_of(
    tokens,
    shape: tuple = ("n", "length", ...),
    below: int | None = None,
    mend: str = "Pass what `generate` returns.",
) -> list[np.ndarray]:
    """The tokens of each sample, a list of int arrays `[length]`.

    Args:
        tokens: as in `token_entropy`.
        shape, below, mend: as of `checks.check_integers`.
    """
    found, lengths = batches.from_lists({"tokens": tokens})
    tokens = check_integers("tokens", found["tokens"], shape, below, mend)
    rows = [row.ravel() for row in tokens]
    lengths = [len(row) for row in rows] if lengths is None else lengths
    return [row[:length] for row, length in zip(rows, lengths, strict=True)]
