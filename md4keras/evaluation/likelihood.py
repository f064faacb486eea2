"""How likely a model finds examples, in bits for each value that it had to tell."""

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
    on_step=None,
):
    """`model.score` in bits per scored value: an upper bound on `-log2 p(x) / N`.

    With `given`, a bound on `-log2 p(rest | given) / M`, where `M` values are not given. Guessing
    evenly costs `log2(vocabulary_size)`.

    Args:
        model: A `MD4` or `GenMD4`.
        tokens: int, shape `[n, *data_shape]`.
        labels: int or int `[n]`, for a network with classes.
        given: bool, the shape of `tokens` or of one example: values that are known and not
            scored; `None` for none.
        num_samples: Draws of masks an example.
        seed: Decides the draws.
        batch_size: Draws in one network call; of one size, one call is compiled.
        on_step: Function of `(calls, most)`, called after each network call; `None` for none.

    Returns:
        The bits and their standard error, float64 arrays `[n]`.

    Raises:
        ValueError: As `model.score` does.
    """
    nats, error = model.score(tokens, labels, num_samples, seed, given, batch_size, on_step)
    scored = ~np.broadcast_to(False if given is None else given, np.shape(tokens))
    values = scored.reshape(len(nats), -1).sum(axis=1) * math.log(2.0)  # [n]
    return nats / values, error / values
