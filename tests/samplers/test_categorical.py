"""Draws from a categorical distribution, exact at a large vocabulary too."""

import keras
import numpy as np
import pytest
from scipy import stats

from md4keras.samplers.categorical import sample_categorical


def array(value):
    return keras.ops.convert_to_numpy(value)


def chi_square(counts, probabilities):
    counts, probabilities = counts[probabilities > 0], probabilities[probabilities > 0]
    return stats.chisquare(counts, probabilities / probabilities.sum() * counts.sum()).pvalue


def grouped(tokens, probabilities, groups=100):
    """Counts over groups of values of about equal probability, so that no cell is empty."""
    cells = np.minimum((np.cumsum(probabilities) * groups).astype(int), groups - 1)
    counts = np.bincount(cells[tokens], minlength=groups)
    return counts, np.bincount(cells, weights=probabilities, minlength=groups)


def test_follows_the_distribution_at_a_vocabulary_of_12000():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=12_000).astype("float32")
    probabilities = np.exp(logits.astype("float64"))
    probabilities /= probabilities.sum()
    tokens = []
    for _ in range(5):
        uniforms = rng.random(2_000, "float32")
        tokens.append(array(sample_categorical(np.tile(logits, (2_000, 1)), uniforms)))
    counts, expected = grouped(np.concatenate(tokens), probabilities)
    assert chi_square(counts, expected) > 1e-3  # one false alarm in 1000 seeds


def test_a_value_of_no_probability_is_never_drawn():
    logits = np.array([-np.inf, 0.0, -np.inf, 1.0, -np.inf], "float32")
    uniforms = np.array([0.0, 0.5, 1 - 2.0**-24], "float32")
    tokens = array(sample_categorical(np.tile(logits, (3, 1)), uniforms))
    assert tokens[0] == 1 and tokens[2] == 3 and set(tokens) <= {1, 3}


@pytest.mark.parametrize("shape", [(4,), (2, 3, 3, 1)])
def test_keeps_the_leading_shape(shape):
    tokens = array(sample_categorical(np.zeros((*shape, 5), "float32"), np.zeros(shape, "float32")))
    assert tokens.shape == shape and tokens.dtype == np.int32 and (tokens == 0).all()
