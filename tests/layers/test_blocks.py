import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import (
    AdaptiveLayerNorm,
    DiTBlock,
    LlamaBlock,
    Modulation,
    RotaryDiTBlock,
    TransformerBlock,
)
from tests.reference import array


class LayerTest(TestCase):
    def test_block_without_conditioning(self):
        self.run_layer_test(
            TransformerBlock,
            {"num_heads": 2},
            input_shape=(3, 5, 8),
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=9,
        )

    def test_block_of_a_llama(self):
        self.run_layer_test(
            LlamaBlock,
            {"num_heads": 4, "num_key_value_heads": 2, "hidden_dim": 12, "dropout": 0.1},
            input_shape=(3, 5, 16),
            expected_output_shape=(3, 5, 16),
            expected_num_trainable_weights=9,
            expected_num_seed_generators=3,
            expected_num_non_trainable_variables=3,
        )

    def test_modulation(self):
        self.run_layer_test(
            Modulation,
            {"dim": 4, "num_vectors": 2},
            input_shape=(3, 6),
            expected_output_shape=((3, 1, 4), (3, 1, 4)),
            expected_num_trainable_weights=2,
            run_training_check=False,  # Keras's trains layers of one output
        )

    def test_adaptive_norm(self):
        self.run_layer_test(
            AdaptiveLayerNorm,
            {"conditioning_type": "adaln_zero"},
            input_shape={"x_shape": (3, 5, 8), "conditioning_shape": (3, 6)},
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=2,
            run_training_check=False,  # Keras's trains layers of one input
        )

    def test_block_of_the_core_without_conditioning(self):
        self.run_layer_test(
            DiTBlock,
            {"num_heads": 2},
            input_shape=(3, 5, 8),
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=13,
        )

    def test_block_of_the_core_with_conditioning(self):
        self.run_layer_test(
            DiTBlock,
            {"num_heads": 2, "conditioned": True, "dropout": 0.1},
            input_shape={"x_shape": (3, 5, 8), "conditioning_shape": (3, 6)},
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=13,
            expected_num_seed_generators=4,
            expected_num_non_trainable_variables=4,
            run_training_check=False,  # Keras's trains layers of one input
        )

    def test_block_of_the_dit_of_text(self):
        self.run_layer_test(
            RotaryDiTBlock,
            {"num_heads": 2, "dropout": 0.1},
            input_shape={"x_shape": (3, 5, 8), "conditioning_shape": (3, 6)},
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=12,
            expected_num_seed_generators=2,
            expected_num_non_trainable_variables=2,
            run_training_check=False,  # Keras's trains layers of one input
        )


@pytest.mark.parametrize("conditioning_type", ["adaln", "adaln_zero"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_conditioned_layers_survive_a_round_trip(conditioning_type, policy):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 5, 8)).astype("float32")
    conditioning = rng.normal(size=(3, 4)).astype("float32")
    for layer in (
        TransformerBlock(2, "geglu", conditioning_type, dtype=policy),
        AdaptiveLayerNorm("glu", conditioning_type, norm_scale=True, dtype=policy),
    ):
        y = layer(x, conditioning)
        assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
        symbolic = layer(keras.Input((None, 8)), keras.Input((4,)))
        assert symbolic.shape == (None, None, 8)
        copy = type(layer).from_config(layer.get_config())
        copy.build(x.shape, conditioning.shape)
        copy.set_weights(layer.get_weights())
        y, z = (array(keras.ops.cast(v, "float32")) for v in (y, copy(x, conditioning)))
        np.testing.assert_array_equal(y, z)


def test_adaln_zero_block_starts_as_the_identity():
    rng = np.random.default_rng(0)
    x, conditioning = rng.normal(size=(2, 5, 8)), rng.normal(size=(2, 4))
    block = TransformerBlock(2, conditioning_type="adaln_zero")
    np.testing.assert_array_equal(array(block(x, conditioning)), x.astype("float32"))


@pytest.mark.parametrize(
    "make", [lambda: DiTBlock(2, conditioned=True), lambda: RotaryDiTBlock(2)], ids=["core", "text"]
)
def test_conditioned_blocks_of_dits_start_as_the_identity(make):
    rng = np.random.default_rng(0)
    x, conditioning = rng.normal(size=(2, 5, 8)), rng.normal(size=(2, 4))
    np.testing.assert_array_equal(array(make()(x, conditioning)), x.astype("float32"))


def test_modulation_gives_separate_vectors():
    layer = Modulation(dim=3, num_vectors=2)
    shift, scale = layer(np.ones((5, 4), "float32"))
    assert tuple(shift.shape) == tuple(scale.shape) == (5, 1, 3)
    assert [v.shape for v in layer(keras.Input((4,)))] == [(None, 1, 3)] * 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: TransformerBlock(2, conditioning_type="film"),
        lambda: TransformerBlock(0),
        lambda: DiTBlock(0),
        lambda: DiTBlock(2, conditioned=True)(np.ones((1, 2, 4))),
        lambda: DiTBlock(2)(keras.ops.ones((1, 2, 4)), keras.ops.ones((1, 3))),
        lambda: Modulation(4, 2, conditioning_type="zero"),
        lambda: TransformerBlock(2, conditioning_type="adaln")(np.ones((1, 2, 4))),
        lambda: TransformerBlock(2)(np.ones((1, 2, 4)), np.ones((1, 3))),
    ],
)
def test_bad_arguments_are_named(make):
    with pytest.raises(ValueError, match="Expected .*\\s*.*Received: "):
        make()
