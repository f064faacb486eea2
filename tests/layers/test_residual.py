import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import ResidualBlock, SelfAttention2D
from tests.reference import array


class LayerTest(TestCase):
    def test_residual_block(self):
        self.run_layer_test(
            ResidualBlock,
            {"width": 64, "dropout": 0.1},
            input_shape=(2, 3, 5, 128),
            expected_output_shape=(2, 3, 5, 64),
            expected_num_trainable_weights=10,  # with a shortcut
            expected_num_seed_generators=1,
            expected_num_non_trainable_variables=1,
        )

    def test_self_attention(self):
        self.run_layer_test(
            SelfAttention2D,
            {},
            input_shape=(2, 3, 5, 64),
            expected_output_shape=(2, 3, 5, 64),
            expected_num_trainable_weights=10,
        )


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_conditioned_block_survives_a_round_trip(policy):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 3, 64)).astype("float32")
    conditioning = rng.normal(size=(2, 8)).astype("float32")
    block = ResidualBlock(64, conditioned=True, dtype=policy)
    block.build(x.shape, conditioning.shape)
    block.set_weights([rng.normal(size=w.shape) * 0.1 for w in block.weights])
    y = block(x, conditioning)
    assert keras.backend.standardize_dtype(y.dtype) == block.compute_dtype
    assert block(keras.Input((4, 3, 64)), keras.Input((8,))).shape == (None, 4, 3, 64)
    copy = ResidualBlock.from_config(block.get_config())
    copy.build(x.shape, conditioning.shape)
    copy.set_weights(block.get_weights())
    y, z = (array(keras.ops.cast(v, "float32")) for v in (y, copy(x, conditioning)))
    np.testing.assert_array_equal(y, z)
    other = array(keras.ops.cast(block(x, conditioning + 1.0), "float32"))
    assert np.abs(y - other).max() > 1e-2


def test_block_starts_as_the_identity():
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 64)).astype("float32")
    np.testing.assert_array_equal(array(ResidualBlock(64)(x)), x)


@pytest.mark.parametrize("width", [0, 32, 48])
def test_widths_that_do_not_suit_the_norm_are_refused(width):
    with pytest.raises(ValueError, match=f"Expected .* Received: width={width}"):
        ResidualBlock(width)


def test_conditioning_must_match_the_block():
    with pytest.raises(ValueError, match="conditioned=True"):
        ResidualBlock(64, conditioned=True)(np.ones((1, 2, 2, 64)))
