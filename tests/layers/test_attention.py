import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import RotarySelfAttention, SelfAttention
from tests.reference import array


class LayerTest(TestCase):
    def test_rotary_self_attention(self):
        self.run_layer_test(
            RotarySelfAttention,
            {"num_heads": 2, "dropout": 0.1, "attention_dropout": 0.1},
            input_shape=(3, 5, 8),
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=4,
            expected_num_seed_generators=2,
            expected_num_non_trainable_variables=2,
        )

    def test_self_attention(self):
        self.run_layer_test(
            SelfAttention,
            {"num_heads": 3, "attention_dropout": 0.1, "use_bias": True},
            input_shape=(3, 5, 9),
            expected_output_shape=(3, 5, 9),
            expected_num_trainable_weights=7,  # none for the output's bias
            expected_num_seed_generators=1,
            expected_num_non_trainable_variables=1,
        )


def test_the_path_with_attention_dropout_attends_like_the_fused_one():
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 7, 2, 4)).astype("float32")
    layer = RotarySelfAttention(2, attention_dropout=1e-7)
    layer.build((None, 7, 8))
    q, k, v = (keras.ops.convert_to_tensor(a) for a in (q, k, v))
    expected = array(keras.ops.dot_product_attention(q, k, v))
    np.testing.assert_allclose(
        array(layer._attend_with_dropout(q, k, v)), expected, atol=1e-5, rtol=1e-5
    )


def test_output_dropout_is_shared_along_the_sequence():
    layer = RotarySelfAttention(2, dropout=0.5)
    x = np.random.default_rng(0).normal(size=(4, 6, 16)).astype("float32")
    dropped = array(layer(x, training=True)) == 0
    assert (dropped == dropped[:, :1]).all()
    assert 0 < dropped.mean() < 1


def test_without_rotary_positions_the_order_is_not_seen():
    x = np.random.default_rng(0).normal(size=(2, 6, 8)).astype("float32")
    order = np.array([3, 0, 5, 1, 4, 2])
    layer, rotary = SelfAttention(2, use_bias=True), RotarySelfAttention(2)
    np.testing.assert_allclose(array(layer(x))[:, order], array(layer(x[:, order])), atol=1e-6)
    assert np.abs(array(rotary(x))[:, order] - array(rotary(x[:, order]))).max() > 1e-3


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="Received: width=6, num_heads=4"):
        SelfAttention(4).build((None, 4, 6))


def test_heads_of_odd_size_are_refused():
    with pytest.raises(ValueError, match="Received: width=6, num_heads=2"):
        RotarySelfAttention(2).build((None, 4, 6))
