"""The counter-based generator against published test vectors, and its uniforms."""

import keras
import numpy as np
import pytest
from scipy import stats

from md4keras import random

# Random123's known answers for threefry2x32, 20 rounds: counter, key, result.
VECTORS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def words(values):
    return [keras.ops.convert_to_tensor(random.seed_word(v), dtype="int32") for v in values]


@pytest.mark.parametrize("counter, key, expected", VECTORS)
def test_known_answers(counter, key, expected):
    result = random.threefry2x32(words(key), words(counter))
    bits = [int(keras.ops.convert_to_numpy(word)) % 2**32 for word in result]
    assert bits == list(expected)


def draw(seed=7, ids=(0, 1, 2), shape=(40, 50), step=3):
    ids = keras.ops.convert_to_tensor(np.array(ids, "int32"))
    pair = random.uniforms(*words([seed]), ids, shape, *words([step]))
    return [keras.ops.convert_to_numpy(value) for value in pair]


def test_uniforms_are_uniform_and_unrelated():
    first, second = draw(ids=range(30))
    assert first.dtype == np.float32 and first.min() >= 0 and first.max() < 1
    for values in (first, second):
        assert stats.kstest(values.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / np.sqrt(first.size)


def test_a_sample_does_not_depend_on_its_neighbours():
    together = draw(ids=(0, 1, 2))[0]
    np.testing.assert_array_equal(draw(ids=(2,))[0], together[2:])
    assert not np.array_equal(together[0], together[1])
    for change in ({"seed": 8}, {"step": 4}):
        assert not np.array_equal(draw(**change)[0], together)


def test_text_positions_keep_their_numbers_when_the_length_changes():
    np.testing.assert_array_equal(draw(shape=(10,))[0], draw(shape=(30,))[0][:, :10])


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(ValueError, match="`seed` .* from 0 to 4294967295"):
        random.check_seed(seed)
