"""Networks whose logits are known exactly, and how samples of known distributions are judged."""

import keras
import numpy as np
from keras import ops
from scipy import stats

from md4keras.evaluation.sources import Enumerable


def true_posterior(joint: np.ndarray, power: np.ndarray):
    """The exact denoiser of GenMD4 whose exponents are `power`, `[V]`, and whose `eps` is 0."""
    power = np.asarray(power, "float32")
    return Enumerable(joint).denoiser(
        lambda t: ops.convert_to_tensor(power) * ops.expand_dims(ops.log(t), -1)
    )


class FixedLogits(keras.layers.Layer):
    """The same logits at every position of every state.

    Args:
        logits: float array `[V]`.
        count: int, positions.
    """

    def __init__(self, logits, count: int):
        super().__init__(autocast=False)
        self.vocabulary_size, self.data_shape = len(logits), (count,)
        self.num_classes, self.time_conditioned = None, False
        self.logits = np.asarray(logits, "float32")
        self.built = True

    def call(self, inputs, training=None):
        shape = (*inputs["tokens"].shape, self.vocabulary_size)
        return ops.broadcast_to(ops.convert_to_tensor(self.logits), shape)


def count_states(samples, values: int) -> np.ndarray:
    """How often each of the `values**N` states occurs among samples `[n, N]`."""
    codes = np.ravel_multi_index(np.asarray(samples).T, (values,) * samples.shape[1])
    return np.bincount(codes, minlength=values ** samples.shape[1])


def chi_square(counts, probabilities) -> float:
    """p-value of counts under a distribution; what is too rare for the test is pooled."""
    counts, expected = np.ravel(counts), np.ravel(probabilities) * np.sum(counts)
    common = expected >= 5
    rare_observed, rare_expected = counts[~common].sum(), expected[~common].sum()
    observed, expected = counts[common].astype(float), expected[common]
    if rare_expected > 0:
        observed, expected = np.append(observed, rare_observed), np.append(expected, rare_expected)
    return float(stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue)
