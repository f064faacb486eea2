"""Draws from a categorical distribution, exact at a large vocabulary too."""

import numpy as np
import pytest

from md4keras.samplers.categorical import sample_categorical
from tests.models.tabular import chi_square
from tests.reference import array


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


def test_a_flat_tail_beside_one_likely_value_is_not_lost():
    """50,000 values of 2e-8 each: half of their draws come from the first half. A
    running sum in float32 loses them beside 0.999. (Nothing is random.)
    """
    logits = np.full(50_001, np.log(2e-8), "float32")
    logits[0] = np.log(0.999)
    uniforms = (0.999 + 1e-3 * np.linspace(0.0, 0.999, 200)).astype("float32")
    tokens = array(sample_categorical(np.tile(logits, (200, 1)), uniforms))
    tail = tokens[tokens > 0]
    assert len(tail) > 190 and (np.diff(tail) >= 0).all()
    assert abs((tail <= 25_000).mean() - 0.5) < 0.02


@pytest.mark.parametrize("values", [255, 256, 257, 600])
def test_evenly_spaced_uniforms_give_each_value_its_share(values):
    """The inverse of the cumulative distribution, block by block: counts are off by at most 1."""
    probabilities = np.random.default_rng(0).random(values)
    probabilities /= probabilities.sum()
    count = 20_000
    uniforms = ((np.arange(count) + 0.5) / count).astype("float32")
    logits = np.tile(np.log(probabilities).astype("float32"), (count, 1))
    tokens = array(sample_categorical(logits, uniforms))
    assert (np.diff(tokens) >= 0).all()
    counts = np.bincount(tokens, minlength=values)
    assert np.abs(counts - probabilities * count).max() < 1.1


def test_a_value_of_no_probability_is_never_drawn():
    logits = np.array([-np.inf, 0.0, -np.inf, 1.0, -np.inf], "float32")
    uniforms = np.array([0.0, 0.5, 1 - 2.0**-24], "float32")
    tokens = array(sample_categorical(np.tile(logits, (3, 1)), uniforms))
    assert tokens[0] == 1 and tokens[2] == 3 and set(tokens) <= {1, 3}


@pytest.mark.parametrize("shape", [(4,), (2, 3, 3, 1)])
def test_keeps_the_leading_shape(shape):
    tokens = array(sample_categorical(np.zeros((*shape, 5), "float32"), np.zeros(shape, "float32")))
    assert tokens.shape == shape and tokens.dtype == np.int32 and (tokens == 0).all()
