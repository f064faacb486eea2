import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import MLP, GatedMLP
from tests.reference import array


class LayerTest(TestCase):
    def test_gated_mlp(self):
        self.run_layer_test(
            GatedMLP,
            {"mlp_type": "geglu", "dropout": 0.1},
            input_shape=(3, 5, 12),
            expected_output_shape=(3, 5, 12),
            expected_num_trainable_weights=3,
            expected_num_seed_generators=1,
            expected_num_non_trainable_variables=1,
        )

    def test_mlp_that_drops_its_output_alone(self):
        self.run_layer_test(
            MLP,
            {"dropout": 0.1, "hidden_dropout": 0.0},
            input_shape=(3, 5, 8),
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=4,
            expected_num_seed_generators=1,
            expected_num_non_trainable_variables=1,
        )

    def test_mlp(self):
        self.run_layer_test(
            MLP,
            {"hidden_dim": 10, "dropout": 0.1},
            input_shape=(3, 5, 8),
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=4,
            expected_num_seed_generators=2,
            expected_num_non_trainable_variables=2,
        )


@pytest.mark.parametrize("width,hidden_dim", [(12, 32), (32, 96), (768, 2048), (1024, 2752)])
def test_hidden_width_is_a_multiple_of_32(width, hidden_dim):
    layer = GatedMLP()
    layer.build((None, 4, width))
    assert layer.gate.kernel.shape == (width, hidden_dim)


def test_initializer_scale_is_the_variance_times_the_fan_in():
    layer = GatedMLP(initializer_scale=0.1)
    layer.build((None, 4, 256))
    for dense in (layer.gate, layer.input_projection, layer.output_projection):
        variance = np.var(array(dense.kernel)) * dense.kernel.shape[0]
        np.testing.assert_allclose(variance, 0.1, rtol=0.05)


def test_dropout_of_the_mlp_is_independent_at_each_position():
    x = np.random.default_rng(0).normal(size=(4, 6, 16)).astype("float32")
    dropped = array(MLP(dropout=0.5)(x, training=True)) == 0
    assert not (dropped == dropped[:, :1]).all()
    assert 0.3 < dropped.mean() < 0.7


@pytest.mark.parametrize(
    "make",
    [
        lambda: GatedMLP("relu"),
        lambda: GatedMLP(dropout=-0.1),
        lambda: MLP(0),
        lambda: MLP(dropout=1.0),
    ],
)
def test_bad_arguments_are_named(make):
    with pytest.raises(ValueError, match="Expected .*\\s*.*Received: "):
        make()
