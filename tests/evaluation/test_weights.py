"""The cost of fewer bits: sizes are those of the arrays, differences those of the same masks."""

import numpy as np
import pytest

import md4keras
from md4keras.evaluation import paired_likelihood, weights
from tests.networks.test_network import SMALL, with_random_weights

pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def models():
    """A model, and the same in int8."""
    pair = [md4keras.MD4(with_random_weights(SMALL["transformer"](), 0.5)) for _ in range(2)]
    pair[1].quantize("int8")
    return pair


def test_a_difference_is_that_of_pairs(models):
    x = np.random.default_rng(0).integers(0, 7, (24, 6)).astype("int32")
    found = paired_likelihood(*models, x, num_draws=4)
    before, after = found.before.bits_per_dim, found.after.bits_per_dim
    assert found.bits_per_dim.value == pytest.approx(after.value - before.value, abs=1e-9)
    assert 0 < found.bits_per_dim.error < 0.2 * before.error
    same = paired_likelihood(models[0], models[0], x, num_draws=4)
    assert same.bits_per_dim.value == same.bits_per_dim.error == 0.0


def test_logits_differ_where_models_do(models):
    assert weights.largest_difference(models[0], models[0]) == 0.0
    assert 0 < weights.largest_difference(*models) < 5


@pytest.mark.slow
def test_bytes_are_counted(models, tmp_path):
    numbers = models[0].network.count_params()
    assert weights.bytes_in_memory(models[0]) == 4 * numbers
    assert numbers < weights.bytes_in_memory(models[1]) < 2 * numbers
    folder = md4keras.save_model(models[0], tmp_path / "model")
    assert weights.bytes_on_disk(folder) > 4 * numbers
