"""Likelihoods of examples under a model, in bits for each value that it had to tell."""

import math

import numpy as np


def bits_per_value(
    model,
    tokens,
    labels=None,
    given=None,
    num_samples: int = 16,
    seed: int = 0,
    batch_size: int = 16,
):
    """`model.score` in bits per scored value: an upper bound on `-log2 p(x) / N`.

    With `given`, a bound on `-log2 p(rest | given) / M`, where `M` values are not given. Guessing
    evenly costs `log2(vocabulary_size)`.

    Args:
        model: a `MD4` or `GenMD4`.
        tokens: int `[n, *data_shape]`.
        labels, given, num_samples, seed, batch_size: as in `model.score`.

    Returns:
        The bits and their standard error, float64 arrays `[n]`.

    Raises:
        ValueError: as `model.score` does.
    """
    nats, error = model.score(tokens, labels, num_samples, seed, given, batch_size)
    return in_bits(nats, tokens, given), in_bits(error, tokens, given)


def in_bits(nats, tokens, given=None) -> np.ndarray:
    """Nats per example in bits per scored value, float64 `[n]`.

    Args:
        nats: float `[n]`, such as `model.score` and the last of `model.score_steps` give.
        tokens, given: as in `bits_per_value`.

    Example:

    >>> in_bits([math.log(4)], np.zeros([1, 3]), given=[True, False, False])
    array([1.])
    """
    scored = ~np.broadcast_to(False if given is None else given, np.shape(tokens))
    return nats / (scored.reshape(len(tokens), -1).sum(axis=1) * math.log(2.0))  # [n]
