import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import RotarySelfAttention, SelfAttention
from md4keras.layers.projections import dense, product
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

    def test_heads_in_groups_with_rotated_halves(self):
        arguments = {"num_heads": 4, "num_key_value_heads": 2, "max_wavelength": 5e5}
        self.run_layer_test(
            RotarySelfAttention,
            {**arguments, "halves": True, "attention_dropout": 0.1},
            input_shape=(3, 5, 16),
            expected_output_shape=(3, 5, 16),
            expected_num_trainable_weights=4,
            expected_num_seed_generators=1,
            expected_num_non_trainable_variables=1,
        )


@pytest.mark.parametrize("sizes", [[7], [3, 4], [0, 7]], ids=str)
def test_the_path_with_attention_dropout_attends_like_the_fused_one(sizes):
    """And keys and values in parts like those that are joined."""
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 7, 2, 4)).astype("float32")
    layer = RotarySelfAttention(2, attention_dropout=1e-7)
    layer.build((None, 7, 8))
    q, k, v = (keras.ops.convert_to_tensor(a) for a in (q, k, v))
    expected = array(keras.ops.dot_product_attention(q, k, v))
    ends = np.cumsum([0, *sizes])
    parts = [(k[:, a:b], v[:, a:b]) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    for training in (False, True):
        found = array(layer._attend_to_parts(q, parts, training=training))
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


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


@pytest.mark.parametrize("attention_dropout", [0.0, 1e-7])
def test_heads_of_a_group_share_keys_and_values(attention_dropout):
    x = np.random.default_rng(0).normal(size=(2, 6, 12)).astype("float32")
    grouped = RotarySelfAttention(6, 0.0, attention_dropout, False, 2)
    whole = RotarySelfAttention(6, 0.0, attention_dropout)
    grouped.build((None, None, 12))
    whole.build((None, None, 12))
    assert tuple(grouped.key.kernel.shape) == tuple(grouped.value.kernel.shape) == (12, 4)
    for name in ("query", "key", "value", "output_projection"):
        kernel = array(getattr(grouped, name).kernel)
        if name in ("key", "value"):  # heads 0 to 2 take the first group's, 3 to 5 the second's
            kernel = np.repeat(kernel.reshape(12, 2, 2), 3, axis=1).reshape(12, 12)
        getattr(whole, name).kernel.assign(kernel)
    for training in (False, True):
        outputs = (array(layer(x, training=training)) for layer in (grouped, whole))
        np.testing.assert_allclose(*outputs, atol=1e-5)


@pytest.mark.parametrize("groups", [4, 0, 12, 1.5])
def test_groups_that_are_not_equal_are_refused(groups):
    with pytest.raises(ValueError, match=f"Expected .*Received: num_key_value_heads={groups}"):
        SelfAttention(6, num_key_value_heads=groups)


def test_a_wavelength_is_more_than_one():
    with pytest.raises(ValueError, match="Received: max_wavelength=1"):
        RotarySelfAttention(2, max_wavelength=1)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="Received: width=6, num_heads=4"):
        SelfAttention(4).build((None, 4, 6))


def test_heads_of_odd_size_are_refused():
    with pytest.raises(ValueError, match="Received: width=6, num_heads=2"):
        RotarySelfAttention(2).build((None, 4, 6))


@pytest.mark.parametrize("policy,margin", [("float32", 1e-5), ("bfloat16", 5e-2)])
def test_adapters_work_on_what_comes_in(policy, margin):
    """Which is what Keras says that they do: the kernel and their product, added."""
    layer = dense(6, policy, "query")
    layer.build((None, 4))
    layer.enable_lora(2, lora_alpha=3.0)
    rng = np.random.default_rng(0)
    for variable in layer.variables:
        variable.assign(rng.normal(size=variable.shape))
    x = keras.ops.convert_to_tensor(rng.normal(size=(3, 5, 4)), "float32")
    expected, found = (
        array(keras.ops.cast(y, "float32")) for y in (layer(x), product(layer, x, 2, 3))
    )
    assert found.shape == (3, 5, 2, 3)
    np.testing.assert_allclose(
        found.reshape(expected.shape), expected, rtol=0, atol=margin * np.abs(expected).max()
    )
