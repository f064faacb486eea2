"""Likelihoods of examples under a model, in bits for each value that it had to tell."""

import math

import numpy as np

from md4keras.checks import check_mask
from md4keras.models import batches

__all__ = ["bits_per_value", "in_bits", "scored_positions"]


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
        tokens: int `[n, *data_shape]`, a list of texts' ids, or a dictionary.
        labels, given, num_samples, seed, batch_size: as in `model.score`.

    Returns:
        The bits and their standard error, float64 arrays `[n]`.

    Raises:
        ValueError: as `model.score` does.

    Example:

    >>> bits, error = bits_per_value(model, np.zeros((1, 8), "int32"), num_samples=2)
    >>> print(bits.round(2))  # log2(5)
    [2.32]
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
    scored = scored_positions(tokens, given)
    return nats / (scored.reshape(len(scored), -1).sum(axis=1) * math.log(2.0))  # [n]


def scored_positions(tokens, given=None) -> np.ndarray:
    """Which values `model.score` scores: bool `[n, *data_shape]`, `False` in the padding.

    Args:
        tokens, given: as in `bits_per_value`.

    Example:

    >>> scored_positions([[3, 1, 4], [1, 5]])
    array([[ True,  True,  True],
           [ True,  True, False]])
    """
    found, _ = batches.from_lists(batches.entries(tokens, given=given))
    shape = np.shape(batches.to_array(found["tokens"]))
    scored = np.ones(shape, bool)
    for name in ("padding_mask", "segment_ids"):
        if found[name] is not None:
            scored &= batches.to_array(found[name]) > 0
    if found["given"] is not None:
        scored &= ~check_mask("given", batches.to_array(found["given"]), shape)
    return scored
