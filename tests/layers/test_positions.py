import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import PositionEmbedding, PositionEmbedding2D, apply_rotary, rotary_tables
from md4keras.layers.positions import sine_cosine_table
from tests.reference import array, load_reference


class LayerTest(TestCase):
    def test_position_embedding(self):
        self.run_layer_test(
            PositionEmbedding,
            {"max_length": 6},
            input_shape=(4, 5, 8),
            expected_output_shape=(4, 5, 8),
            expected_num_trainable_weights=1,
        )

    def test_position_embedding_of_a_grid(self):
        self.run_layer_test(
            PositionEmbedding2D,
            {"height": 2, "width": 3},
            input_shape=(4, 6, 8),
            expected_output_shape=(4, 6, 8),
            expected_num_trainable_weights=1,
        )


@pytest.mark.parametrize("head_dim,length", [(8, 16), (6, 37)])
def test_rotation_is_the_published_one(head_dim, length):
    reference, suffix = load_reference("embeddings"), f"headdim{head_dim}_len{length}"
    cos, sin = rotary_tables(length, head_dim)
    np.testing.assert_allclose(array(cos), reference[f"rope_cos_{suffix}"], atol=1e-5)
    np.testing.assert_allclose(array(sin), reference[f"rope_sin_{suffix}"], atol=1e-5)
    for name in ("q", "k"):
        rotated = apply_rotary(
            keras.ops.convert_to_tensor(reference[f"rope_{name}_{suffix}"]), cos, sin
        )
        expected = reference[f"rope_rotated_{name}_{suffix}"]
        np.testing.assert_allclose(array(rotated), expected, atol=1e-5)


def test_halves_are_the_pairs_in_another_order():
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 8)).astype("float32")
    order = [0, 4, 1, 5, 2, 6, 3, 7]  # neighbours are what was half the size apart
    tables = rotary_tables(5, 8, 500.0)
    halves = apply_rotary(keras.ops.convert_to_tensor(x), *tables, halves=True)
    pairs = apply_rotary(keras.ops.convert_to_tensor(x[..., order]), *tables)
    np.testing.assert_allclose(array(halves)[..., order], array(pairs), atol=1e-6)


def test_the_slowest_pair_has_almost_the_longest_wave():
    cos, _ = rotary_tables(3, 1000, 500.0)
    expected = np.cos(2 * 500.0 ** (-2 * np.arange(500) / 1000))
    np.testing.assert_allclose(array(cos)[2], expected, atol=1e-5)


@pytest.mark.parametrize("halves", [False, True])
def test_inner_products_depend_on_the_distance_alone(halves):
    q, k = np.random.default_rng(0).normal(size=(2, 1, 1, 1, 8)).astype("float32")
    q, k = (keras.ops.convert_to_tensor(np.repeat(v, 12, axis=1)) for v in (q, k))
    tables = rotary_tables(12, 8)
    q, k = (array(apply_rotary(v, *tables, halves))[0, :, 0] for v in (q, k))
    products = q @ k.T
    for offset in range(-5, 6):
        diagonal = np.diagonal(products, offset)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-5)


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


def test_learned_positions_are_added_row_by_row():
    positions = PositionEmbedding(4)
    assert positions.build((None, None, 3)) is None
    table = array(positions.embeddings)
    for length in (1, 3, 4):
        x = np.random.default_rng(length).normal(size=(2, length, 3)).astype("float32")
        np.testing.assert_allclose(array(positions(x)) - x, [table[:length]] * 2, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PositionEmbedding(0),
        lambda: PositionEmbedding(4)(np.zeros((1, 5, 8), "float32")),
        lambda: PositionEmbedding2D(0, 2),
        lambda: PositionEmbedding2D(2, 2).build((None, 5, 8)),
        lambda: PositionEmbedding2D(2, 2).build((None, 4, 6)),
    ],
)
def test_bad_arguments_are_named(make):
    with pytest.raises(ValueError, match="Expected .*\\s*.*Received: "):
        make()
