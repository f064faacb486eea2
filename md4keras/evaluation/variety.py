"""Variety of samples, whatever they show."""

import numpy as np

from md4keras.checks import check_integers

_SHAPE = ("n", "length", ...)


def distinct_fraction(tokens) -> float:
    """The fraction of samples that occur nowhere before them in the list.

    Args:
        tokens: int `[n, *data_shape]`, with `n` of at least 1.

    Returns:
        1 where all differ; `1 / n` where all are the same.

    Raises:
        ValueError: for what are no samples.

    Example:

    >>> distinct_fraction([[1, 2], [1, 3], [1, 2], [1, 2]])
    0.5
    """
    tokens = check_integers("tokens", tokens, _SHAPE, mend="Pass what `generate` returns.")
    return len(np.unique(tokens.reshape(len(tokens), -1), axis=0)) / len(tokens)


def token_entropy(tokens) -> float:
    """Entropy of how often each token occurs in all samples together: `-sum_v f(v) log2 f(v)`.

    It does not look at the order. Far below that of real data, samples repeat a few tokens.

    Args:
        tokens: int `[n, *data_shape]`, with `n` of at least 1.

    Returns:
        Bits, from 0 (one token everywhere) to `log2` of the number of tokens that occur.

    Raises:
        ValueError: for what are no samples.

    Example:

    >>> token_entropy([[0, 1, 2, 3]])
    2.0
    """
    tokens = check_integers("tokens", tokens, _SHAPE, mend="Pass what `generate` returns.")
    counts = np.unique(tokens, return_counts=True)[1]
    f = counts / tokens.size
    return float(0.0 - (f * np.log2(f)).sum())
