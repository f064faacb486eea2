"""How varied samples are, whatever they show."""

import numpy as np


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
    tokens = _check_samples(tokens)
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
    tokens = _check_samples(tokens)
    counts = np.unique(tokens, return_counts=True)[1]
    f = counts / tokens.size
    return float(0.0 - (f * np.log2(f)).sum())


def _check_samples(tokens) -> np.ndarray:
    tokens = np.asarray(tokens)
    if tokens.ndim < 2 or not tokens.size or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            "`tokens` are no samples. Expected integers of shape [n, *data_shape], at least one. "
            f"Received: tokens of shape={tokens.shape}, dtype={tokens.dtype}. "
            "Pass what `generate` returns."
        )
    return tokens
