import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import MLP, DiTBlock, PositionEmbedding2D
from md4keras.layers.dit import sine_cosine_table
from tests.reference import array, load_reference


class LayerTest(TestCase):
    def test_position_embedding(self):
        self.run_layer_test(
            PositionEmbedding2D,
            {"height": 2, "width": 3},
            input_shape=(4, 6, 8),
            expected_output_shape=(4, 6, 8),
            expected_num_trainable_weights=1,
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

    def test_block_without_conditioning(self):
        self.run_layer_test(
            DiTBlock,
            {"num_heads": 2},
            input_shape=(3, 5, 8),
            expected_output_shape=(3, 5, 8),
            expected_num_trainable_weights=13,
        )

    def test_block_with_conditioning(self):
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


@pytest.mark.parametrize("dim,size", [(16, 2), (16, 4), (24, 3)])
def test_positions_start_as_the_published_ones(dim, size):
    expected = load_reference("embeddings")[f"pos_embed_2d_dim{dim}_grid{size}"]
    positions = PositionEmbedding2D(size, size)(np.zeros((1, size * size, dim), "float32"))
    np.testing.assert_allclose(array(positions)[0], expected, atol=1e-6)


def test_the_first_half_is_the_column_and_the_second_the_row():
    table = sine_cosine_table(3, 5, 16).reshape(3, 5, 16)
    column, row = table[..., :8], table[..., 8:]
    assert (column == column[:1]).all()
    assert (row == row[:, :1]).all()
    np.testing.assert_array_equal(column[0, :3], row[:, 0])
    assert len(np.unique(table.reshape(15, 16), axis=0)) == 15


def test_a_conditioned_block_starts_as_the_identity():
    rng = np.random.default_rng(0)
    x, conditioning = rng.normal(size=(2, 5, 8)), rng.normal(size=(2, 4))
    block = DiTBlock(2, conditioned=True)
    np.testing.assert_array_equal(array(block(x, conditioning)), x.astype("float32"))


def test_dropout_of_the_mlp_is_independent_at_each_position():
    x = np.random.default_rng(0).normal(size=(4, 6, 16)).astype("float32")
    dropped = array(MLP(dropout=0.5)(x, training=True)) == 0
    assert not (dropped == dropped[:, :1]).all()
    assert 0.3 < dropped.mean() < 0.7


@pytest.mark.parametrize(
    "make",
    [
        lambda: PositionEmbedding2D(0, 2),
        lambda: PositionEmbedding2D(2, 2).build((None, 5, 8)),
        lambda: PositionEmbedding2D(2, 2).build((None, 4, 6)),
        lambda: MLP(0),
        lambda: MLP(dropout=1.0),
        lambda: DiTBlock(0),
        lambda: DiTBlock(2, conditioned=True)(np.ones((1, 2, 4))),
        lambda: DiTBlock(2)(keras.ops.ones((1, 2, 4)), keras.ops.ones((1, 3))),
    ],
)
def test_bad_arguments_are_named(make):
    with pytest.raises(ValueError, match="Expected .*\\s*.*Received: "):
        make()
