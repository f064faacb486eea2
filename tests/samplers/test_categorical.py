"""Draws at a large vocabulary follow the distribution; a plain float32 Gumbel draw does not."""

import keras
import numpy as np
import pytest
from scipy import stats

from md4keras import schedules
from md4keras.samplers import Ancestral, threefry
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
    for _ in range(20):
        uniforms = rng.random(2_000, "float32")
        tokens.append(array(sample_categorical(np.tile(logits, (2_000, 1)), uniforms)))
    counts, expected = grouped(np.concatenate(tokens), probabilities)
    assert chi_square(counts, expected) > 1e-3  # one false alarm in 1000 seeds


REVEAL, VOCABULARY, ROWS = 1e-3, 12_000, 1_000_000


def plain_gumbel_reveals(rng) -> int:
    """How often a token wins over the mask when both stand in one float32 Gumbel draw.

    Uniforms are multiples of 2**-23, as float32 generators give. All tokens have one logit, so
    only their largest uniform counts; the largest of V is `floor(2**23 U**(1/V)) / 2**23`.
    """
    largest = np.floor(rng.random(ROWS) ** (1 / VOCABULARY) * 2**23) / 2**23
    others = np.maximum(rng.integers(0, 2**23, ROWS) / 2**23, 1e-30)
    token, mask = (-np.log(-np.log(u.astype("float32"))) for u in (largest, others))
    return int((np.log(REVEAL / VOCABULARY) + token > np.log1p(-REVEAL) + mask).sum())


def ancestral_reveals() -> int:
    seed = keras.ops.convert_to_tensor(5, dtype="int32")
    ids = keras.ops.arange(1000, dtype="int32")
    noise = threefry.uniforms(seed, ids, (ROWS // 1000,), seed)
    zt = np.full((1000, ROWS // 1000), 2, "int32")
    logits = np.zeros((*zt.shape, 2), "float32")
    schedule = schedules.Linear(eps=0.0)
    zs = Ancestral().step(logits, zt, 1.0 - REVEAL, 1.0, schedule, noise, None)[0]
    return int((array(zs) != 2).sum())


def test_reveals_at_a_rate_of_one_in_a_thousand_are_exact_and_a_plain_gumbel_is_not():
    """The test of the test: the Gumbel's tail is cut off and reveals are lost."""
    expected = np.array([REVEAL, 1 - REVEAL])
    counts = [plain_gumbel_reveals(np.random.default_rng(1)), ancestral_reveals()]
    gumbel, ancestral = (np.array([count, ROWS - count]) for count in counts)
    assert chi_square(gumbel, expected) < 1e-9
    assert gumbel[0] < 0.75 * REVEAL * ROWS
    assert chi_square(ancestral, expected) > 1e-3  # one false alarm in 1000 seeds


def test_a_value_of_no_probability_is_never_drawn():
    logits = np.array([-np.inf, 0.0, -np.inf, 1.0, -np.inf], "float32")
    uniforms = np.array([0.0, 0.5, 1 - 2.0**-24], "float32")
    tokens = array(sample_categorical(np.tile(logits, (3, 1)), uniforms))
    assert tokens[0] == 1 and tokens[2] == 3 and set(tokens) <= {1, 3}


@pytest.mark.parametrize("shape", [(4,), (2, 3, 3, 1)])
def test_keeps_the_leading_shape(shape):
    tokens = array(sample_categorical(np.zeros((*shape, 5), "float32"), np.zeros(shape, "float32")))
    assert tokens.shape == shape and tokens.dtype == np.int32 and (tokens == 0).all()
