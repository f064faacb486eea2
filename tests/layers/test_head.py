import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from md4keras.layers import ImageVocabularyHead, VocabularyHead
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


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="Received: vocabulary_size=0"):
        VocabularyHead(0)
    with pytest.raises(ValueError, match="Received: num_channels=None"):
        ImageVocabularyHead(4, None)
