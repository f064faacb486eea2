"""The cost of a change of weights, such as fewer bits: room, logits, likelihood."""

import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from md4keras import backend
from md4keras.checks import check_whole
from md4keras.evaluation.estimates import Estimate, ratio
from md4keras.evaluation.likelihood_of_sets import likelihood
from md4keras.evaluation.nelbo import Nelbo

__all__ = [
    "PairedLikelihood",
    "bytes_in_memory",
    "bytes_on_disk",
    "largest_difference",
    "paired_likelihood",
]

_BITS = {"float64": 64, "float32": 32, "bfloat16": 16, "float16": 16, "int8": 8, "uint8": 8}


class PairedLikelihood(NamedTuple):
    """Two models on the same examples with the same masks.

    Attributes:
        before, after: the `Nelbo` of each.
        bits_per_dim: `Estimate` of what the second needs more. Examples and masks are the same,
            so that its error is that of the difference, which is far smaller than that of either.

    Example:

    >>> found = md4keras.evaluation.paired_likelihood(
    ...     model, model, np.zeros((4, 8), "int32"), num_draws=2)
    >>> found.bits_per_dim.value
    0.0
    """

    before: Nelbo
    after: Nelbo
    bits_per_dim: Estimate


def paired_likelihood(
    model, changed, data, num_draws: int = 16, seed: int = 0, batch_size: int = 64
) -> PairedLikelihood:
    """The likelihood of a set under two models, and the difference with its standard error.

    Args:
        model: a `MD4` or `GenMD4`.
        changed: another of the same kind of data, such as the first one quantized.
        data, num_draws, seed, batch_size: as of `likelihood`; the data are read twice.

    Example:

    >>> import md4keras, numpy as np
    >>> def new():
    ...     return md4keras.MD4(md4keras.networks.Transformer(5, 8, 0, 2, 8))
    >>> changed = new()
    >>> changed.quantize("int8")
    >>> found = md4keras.evaluation.paired_likelihood(new(), changed, np.zeros((10, 8), "int32"))
    >>> found.bits_per_dim.value  # a new network guesses evenly, in any number of bits
    0.0
    """
    settings = {"num_draws": num_draws, "seed": seed, "batch_size": batch_size}
    before, after = (likelihood(each, data, **settings) for each in (model, changed))
    difference = (after.nats - before.nats) / math.log(2)
    # Of draws that both have in common there is no error of their own: it is in that over examples.
    estimate = ratio(difference, np.zeros_like(difference), before.sizes, num_draws)
    return PairedLikelihood(before, after, estimate)


def largest_difference(model, changed, num_rows: int = 8, seed: int = 0) -> float:
    """The largest difference of two models' logits, on rows of chance that are masked at random.

    Args:
        model, changed: models of the same kind of data.
        num_rows: int; the first is masked least, the last wholly.
        seed: int.

    Example:

    >>> largest_difference(model, model)
    0.0
    """
    check_whole("num_rows", num_rows, mend="Use 8, for instance.")
    network, draws = model.network, np.random.default_rng(seed)
    shape = (num_rows, *network.data_shape)
    time = np.linspace(1 / num_rows, 1.0, num_rows).astype("float32")
    masked = draws.random(shape) < time.reshape(-1, *[1] * (len(shape) - 1))
    zt = np.where(masked, model.mask_token, draws.integers(0, network.vocabulary_size, shape))
    classes = network.num_classes
    labels = np.arange(num_rows, dtype="int32") % classes if classes else None
    logits = [
        backend.to_numpy(each.predict_logits(zt.astype("int32"), time, labels))
        for each in (model, changed)
    ]
    return float(np.abs(logits[1] - logits[0]).max())


def bytes_in_memory(model) -> int:
    """The bytes of a model's weights in memory.

    Example:

    >>> bytes_in_memory(model) == 4 * model.network.count_params()  # float32
    True
    """
    sizes = [(math.prod(w.shape), _BITS.get(str(w.dtype), 32)) for w in model.network.weights]
    return sum(numbers * bits // 8 for numbers, bits in sizes)


def bytes_on_disk(folder: str | os.PathLike) -> int:
    """The bytes of a saved model's files.

    Example:

    >>> folder = md4keras.save_model(model, "runs/mine")
    >>> bytes_on_disk(folder) > 4 * model.network.count_params()
    True
    """
    return sum(path.stat().st_size for path in Path(folder).iterdir() if path.is_file())
