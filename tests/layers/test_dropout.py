import keras
import numpy as np
import pytest
from keras import ops
from keras.src.testing import TestCase

from md4keras import backend
from md4keras.layers import Dropout
from tests.reference import array


class LayerTest(TestCase):
    def test_dropout(self):
        self.run_layer_test(
            Dropout,
            {"rate": 0.2, "shared_axis": 1},
            input_shape=(3, 5, 4),
            expected_output_shape=(3, 5, 4),
            expected_num_trainable_weights=0,
            expected_num_seed_generators=1,
            expected_num_non_trainable_variables=1,
        )


def test_features_are_dropped_with_the_given_probability_and_keep_their_mean():
    x = np.ones((200, 10, 20), "float32")
    y = array(Dropout(0.3)(x, training=True))
    assert abs((y == 0).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / y.size)
    np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-6)


def dropped(seed, shape, rate=0.25):
    seed = ops.convert_to_tensor(seed, keras.random.SeedGenerator(0).state.dtype)
    return ~array(backend.keep_mask(seed, rate, shape)).astype(bool) * 1.0 - rate


@pytest.mark.parametrize("shape", [(8, 64, 64), (4, 16, 16, 32), (40_000,)])
def test_masks_of_neighbours_rows_and_steps_have_nothing_in_common(shape):
    """Correlations of places next to each other, of whole rows, and of one seed after the other.

    Each is within 4.5 standard errors, which 1 of 10,000 runs of the test would not be.
    """
    first, second, other = (dropped(seed, shape) for seed in ([5, 1], [5, 2], [6, 1]))
    pairs = [(first, second), (first, other), (first, second[::-1]), (first[1:], first[:-1])]
    for axis in range(len(shape)):
        moved = np.moveaxis(first, axis, 0)
        pairs += [(moved[lag:], moved[:-lag]) for lag in (1, 2, len(moved) // 2)]
    for one, another in pairs:
        correlation = (one * another).mean() / (0.25 * 0.75)
        assert abs(correlation) < 4.5 / np.sqrt(one.size)


def test_a_mask_is_that_of_its_seed():
    np.testing.assert_array_equal(dropped([5, 1], (4, 6)), dropped([5, 1], (4, 6)))
    assert (dropped([5, 1], (4, 600)) != dropped([5, 2], (4, 600))).any()


def test_shared_axis_shares():
    y = array(Dropout(0.5, shared_axis=1)(np.ones((4, 6, 16), "float32"), training=True))
    assert (y == y[:, :1]).all()
    assert 0 < (y == 0).mean() < 1


def test_nothing_is_dropped_outside_training():
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(array(Dropout(0.5)(x)), x)
    np.testing.assert_array_equal(array(Dropout(0.0)(x, training=True)), x)


def test_the_random_state_has_a_fixed_path():
    for _ in range(2):
        layer = Dropout(0.5, name="drop")
        layer.build((None, 3))
        assert [variable.path for variable in layer.variables] == [
            "drop/random/seed_generator_state"
        ]


def test_rate_is_checked():
    with pytest.raises(ValueError, match="Received: rate=1"):
        Dropout(1)
