import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import ImageVocabularyHead, TiedVocabularyHead, VocabularyHead
from tests.reference import array


class LayerTest(TestCase):
    def test_vocabulary_head(self):
        self.run_layer_test(
            VocabularyHead,
            {"vocabulary_size": 7},
            input_shape=(3, 5, 8),
            expected_output_shape=(3, 5, 7),
            expected_num_trainable_weights=1,
            run_mixed_precision_check=False,  # float32 whatever the policy
        )

    def test_vocabulary_head_with_a_bias(self):
        self.run_layer_test(
            VocabularyHead,
            {"vocabulary_size": 7, "use_bias": True},
            input_shape=(3, 5, 8),
            expected_output_shape=(3, 5, 7),
            expected_num_trainable_weights=2,
            run_mixed_precision_check=False,
        )

    def test_tied_vocabulary_head(self):
        self.run_layer_test(
            TiedVocabularyHead,
            {"embedding": keras.layers.Embedding(8, 6)},
            input_shape=(3, 5, 6),
            expected_output_shape=(3, 5, 7),
            expected_num_trainable_weights=1,
            run_mixed_precision_check=False,
        )

    def test_image_vocabulary_head(self):
        self.run_layer_test(
            ImageVocabularyHead,
            {"vocabulary_size": 7, "num_channels": 3},
            input_shape=(2, 3, 5, 8),
            expected_output_shape=(2, 3, 5, 3, 7),
            expected_num_trainable_weights=2,
            run_mixed_precision_check=False,
        )


def test_new_heads_predict_the_uniform_distribution_in_float32():
    features = keras.ops.ones((2, 3, 4, 8), dtype="bfloat16")
    for head in (VocabularyHead(7), ImageVocabularyHead(7, 2)):
        logits = array(head(features))
        assert logits.dtype == np.float32
        assert not logits.any()


def test_a_tied_head_has_the_embedding_for_its_kernel():
    embedding = keras.layers.Embedding(4, 5, dtype="bfloat16")
    head = TiedVocabularyHead(embedding)
    features = keras.ops.cast(np.random.default_rng(0).normal(size=(2, 3, 5)), "bfloat16")
    logits = head(features)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    table = array(keras.ops.cast(embedding.embeddings, "float32"))
    wide = array(keras.ops.cast(features, "float32"))
    np.testing.assert_allclose(array(logits), wide @ table[:3].T, atol=1e-5)  # not the mask's
    np.testing.assert_array_equal(array(head.linear_kernel), table[:3].T)
    assert [v.path for v in head.weights] == [v.path for v in embedding.weights]
    copy = TiedVocabularyHead.from_config(head.get_config())
    assert copy(keras.Input((6, 5))).shape == (None, 6, 3)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="Received: vocabulary_size=0"):
        VocabularyHead(0)
    with pytest.raises(ValueError, match="Received: num_channels=None"):
        ImageVocabularyHead(4, None)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_a_tied_head_has_what_the_few_bits_of_its_embedding_stand_for(mode):
    """And its logits are those of float32, whatever the network computes in."""
    embedding = keras.layers.Embedding(8, 6, dtype="mixed_bfloat16")
    head = TiedVocabularyHead(embedding)
    features = keras.ops.cast(np.random.default_rng(0).normal(size=(2, 3, 6)), "float32")
    head(features)
    embedding.quantize(mode)
    logits = head(features)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    rows = array(keras.ops.cast(embedding(np.arange(7)), "float32"))
    np.testing.assert_allclose(array(logits), array(features) @ rows.T, atol=1e-6)
