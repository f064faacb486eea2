import numpy as np
import pytest
from keras.src.testing import TestCase

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
