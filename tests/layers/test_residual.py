import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import AdaptiveGroupNorm, GroupNorm, ResidualBlock, SelfAttention2D
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

    def test_residual_block_with_adaptive_norms_and_resampling(self):
        for resampling, size in (("down", (2, 3)), ("up", (8, 12))):
            self.run_layer_test(
                ResidualBlock,
                {"width": 32, "adaptive_norm": True, "resampling": resampling},
                input_shape=(2, 4, 6, 64),
                expected_output_shape=(2, *size, 32),
                expected_num_trainable_weights=10,
            )

    def test_group_norm(self):
        self.run_layer_test(
            GroupNorm,
            {},
            input_shape=(2, 3, 5, 64),
            expected_output_shape=(2, 3, 5, 64),
            expected_num_trainable_weights=2,
        )

    def test_adaptive_group_norm(self):
        self.run_layer_test(
            AdaptiveGroupNorm,
            {},
            input_shape={"x_shape": (2, 3, 5, 64), "conditioning_shape": (2, 8)},
            expected_output_shape=(2, 3, 5, 64),
            expected_num_trainable_weights=2,
            run_training_check=False,  # Keras's trains layers of one input
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


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("resampling,size", [(None, (4, 6)), ("down", (2, 3)), ("up", (8, 12))])
def test_adaptive_block_survives_a_round_trip(policy, resampling, size):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 6, 64)).astype("float32")
    conditioning = rng.normal(size=(2, 8)).astype("float32")
    block = ResidualBlock(
        32, conditioned=True, adaptive_norm=True, resampling=resampling, dtype=policy
    )
    block.build(x.shape, conditioning.shape)
    block.set_weights([rng.normal(size=w.shape) * 0.1 for w in block.weights])
    y = block(x, conditioning)
    assert keras.backend.standardize_dtype(y.dtype) == block.compute_dtype
    assert tuple(y.shape) == (2, *size, 32)
    symbolic = block(keras.Input((4, 6, 64)), keras.Input((8,)))
    assert symbolic.shape == (None, *size, 32)
    copy = ResidualBlock.from_config(block.get_config())
    copy.build(x.shape, conditioning.shape)
    copy.set_weights(block.get_weights())
    y, z = (array(keras.ops.cast(v, "float32")) for v in (y, copy(x, conditioning)))
    np.testing.assert_array_equal(y, z)
    other = array(keras.ops.cast(block(x, conditioning + 1.0), "float32"))
    assert np.abs(y - other).max() > 1e-2


def test_resampling_averages_and_repeats():
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 64)).astype("float32")
    down, up = (
        array(ResidualBlock(64, adaptive_norm=True, resampling=name)(x)) for name in ("down", "up")
    )  # a new block adds nothing to its resampled input
    averages = x.reshape(2, 2, 2, 3, 2, 64).mean(axis=(2, 4))
    np.testing.assert_allclose(down, averages, atol=1e-6)
    for row in range(2):
        for column in range(2):
            np.testing.assert_array_equal(up[:, row::2, column::2], x)


def test_adaptive_norm_scales_and_shifts_a_normalised_map():
    rng = np.random.default_rng(0)
    x = 5.0 + 3.0 * rng.normal(size=(2, 6, 4, 64)).astype("float32")
    conditioning = rng.normal(size=(2, 3)).astype("float32")
    norm = AdaptiveGroupNorm()
    y = array(norm(x, conditioning)).reshape(2, 24, 32, 2)
    np.testing.assert_allclose(y.mean(axis=(1, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=(1, 3)), 1.0, atol=1e-4)
    norm.projection.bias.assign(np.repeat([1.0, -2.0], 64))  # scale, then shift
    z = array(norm(x, conditioning)).reshape(2, 24, 32, 2)
    np.testing.assert_allclose(z, 2.0 * y - 2.0, atol=1e-5)


def test_block_starts_as_the_identity():
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 64)).astype("float32")
    np.testing.assert_array_equal(array(ResidualBlock(64)(x)), x)


@pytest.mark.parametrize("width", [0, 32, 48])
def test_widths_that_do_not_suit_the_norm_are_refused(width):
    with pytest.raises(ValueError, match=f"Expected .* Received: width={width}"):
        ResidualBlock(width)


def test_adaptive_norms_take_one_channel_a_group():
    assert ResidualBlock(32, adaptive_norm=True).width == 32
    with pytest.raises(ValueError, match="Expected .* Received: width=48. Use 64"):
        ResidualBlock(48, adaptive_norm=True)
    with pytest.raises(ValueError, match="Expected .* Received: resampling='side'"):
        ResidualBlock(64, resampling="side")


def test_conditioning_must_match_the_block():
    with pytest.raises(ValueError, match="conditioned=True"):
        ResidualBlock(64, conditioned=True)(np.ones((1, 2, 2, 64)))


@pytest.mark.parametrize("offset", [0.0, 30.0])
@pytest.mark.parametrize("channels", [32, 96])
def test_group_norm_is_that_of_keras(channels, offset):
    """Also where the mean is large against the spread; weights of the one fit the other."""
    rng = np.random.default_rng(0)
    x = (offset + rng.normal(size=(2, 5, 3, channels))).astype("float32")
    ours, theirs = GroupNorm(), keras.layers.GroupNormalization(32, epsilon=1e-6)
    theirs.build(x.shape)
    ours.build(x.shape)
    theirs.set_weights([rng.normal(size=channels), rng.normal(size=channels)])
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=1e-5 + 2e-5 * offset**2)
