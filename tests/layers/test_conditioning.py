import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import ConditioningMLP, LabelEmbedding, TimeEmbedding
from tests.reference import array, load_reference


class LayerTest(TestCase):
    def test_time_embedding(self):
        self.run_layer_test(
            TimeEmbedding,
            {"dim": 8},
            input_data=np.array([0.0, 0.3, 1.0], "float32"),
            expected_output_shape=(3, 8),
            expected_num_trainable_weights=0,
            run_mixed_precision_check=False,  # float32 whatever the policy, tested below
        )

    def test_embedding_of_a_noise_level(self):
        self.run_layer_test(
            TimeEmbedding,
            {"dim": 8, "scale": 1.0, "with_last": False},
            input_data=np.array([0.0, 0.3, 6.9], "float32"),
            expected_output_shape=(3, 8),
            expected_num_trainable_weights=0,
            run_mixed_precision_check=False,
        )

    def test_label_embedding(self):
        self.run_layer_test(
            LabelEmbedding,
            {"num_classes": 5, "dim": 6, "dropout": 0.5},
            input_data=np.array([0, 4, 5], "int32"),
            expected_output_shape=(3, 6),
            expected_num_trainable_weights=1,
            expected_num_seed_generators=1,
            expected_num_non_trainable_variables=1,
            run_mixed_precision_check=False,
        )

    def test_conditioning_mlp_of_a_size(self):
        self.run_layer_test(
            ConditioningMLP,
            {"dim": 6, "hidden_dim": 5},
            input_shape=(3, 10),
            expected_output_shape=(3, 6),
            expected_num_trainable_weights=4,
            run_mixed_precision_check=False,
        )

    def test_conditioning_mlp(self):
        self.run_layer_test(
            ConditioningMLP,
            {"dim": 6},
            input_shape=(3, 10),
            expected_output_shape=(3, 6),
            expected_num_trainable_weights=4,
            run_mixed_precision_check=False,
        )


@pytest.mark.parametrize("dim", [4, 5, 8, 31, 64])
def test_time_embedding_is_the_published_one(dim):
    reference = load_reference("embeddings")
    embedding = TimeEmbedding(dim, scale=1.0)(reference["timesteps"])
    expected = reference[f"timestep_embedding_dim{dim}"]
    np.testing.assert_allclose(array(embedding), expected, atol=1e-4)


@pytest.mark.parametrize("with_last, exponents", [(True, [0, 0.5, 1]), (False, [0, 1 / 3, 2 / 3])])
def test_frequencies_end_at_the_last_one_or_before_it(with_last, exponents):
    embedding = array(TimeEmbedding(6, 1.0, with_last)(np.array([2.0], "float32")))[0]
    angles = 2.0 * 10_000.0 ** -np.array(exponents)
    np.testing.assert_allclose(embedding, [*np.sin(angles), *np.cos(angles)], atol=1e-6)


def test_conditioning_is_the_published_one():
    reference = load_reference("embeddings")
    time, label = reference["cond_t"], reference["cond_class_vec"]
    embedding = keras.ops.concatenate([TimeEmbedding(16)(time), label], axis=-1)
    mlp = ConditioningMLP(16)
    mlp.build(embedding.shape)
    for layer, name in ((mlp.hidden, "dense0"), (mlp.projection, "Dense_0")):
        layer.kernel.assign(reference[f"params/{name}/kernel"])
        layer.bias.assign(reference[f"params/{name}/bias"])
    np.testing.assert_allclose(array(mlp(embedding)), reference["cond_embedding"], atol=1e-4)


def test_time_keeps_its_precision_in_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        embedding = array(TimeEmbedding(16)(np.array([0.999, 1.0], "float32")))
    finally:
        keras.config.set_dtype_policy("float32")
    assert embedding.dtype == np.float32
    assert np.abs(embedding[0] - embedding[1]).max() > 0.5


def test_table_has_a_null_row_only_with_dropout():
    for dropout, rows in ((0.0, 5), (0.1, 6)):
        layer = LabelEmbedding(5, 4, dropout)
        layer.build((None,))
        assert layer.embeddings.shape == (rows, 4)


def test_labels_are_dropped_in_training_with_the_given_probability():
    layer = LabelEmbedding(5, 4, dropout=0.3, seed=1)
    label = np.full((4000,), 2, "int32")
    null = array(layer(np.array([5], "int32")))[0]
    kept = array(layer(label[:1]))[0]
    assert (array(layer(label, training=False)) == kept).all()
    dropped = (array(layer(label, training=True)) == null).all(axis=-1)
    assert abs(dropped.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 4000)
    again = (array(layer(label, training=True)) == null).all(axis=-1)
    assert (dropped != again).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: TimeEmbedding(3),
        lambda: LabelEmbedding(0, 4),
        lambda: LabelEmbedding(3, 4, dropout=1.0),
        lambda: ConditioningMLP("8"),
    ],
)
def test_bad_arguments_are_named(make):
    with pytest.raises(ValueError, match="Expected .* Received: "):
        make()
