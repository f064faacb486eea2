"""KerasHub's own tests of backbones and presets, of all networks.

Its test of mixed precision does not apply: it wants all layers in one precision, and ours keep
times and logits in float32 whatever the policy.
"""

import numpy as np
import pytest

pytest.importorskip("keras_hub")

from keras_hub.src.tests.test_case import TestCase

from tests.networks.test_llama import small as small_llama
from tests.networks.test_network import SMALL, with_random_weights


def inputs_of(network, length=None):
    shape = network.data_shape if length is None else (length,)
    tokens = np.full((4, *shape), network.mask_token, "int32")
    inputs = {"tokens": tokens}
    if network.time_conditioned:
        inputs["time"] = np.linspace(0.2, 1.0, 4).astype("float32")
    return inputs


@pytest.mark.slow
class BackboneTest(TestCase):
    def test_transformer(self):
        self._check(SMALL["transformer"](), [2, 3, 9])

    def test_dit(self):
        self._check(SMALL["dit"](), [2, 3, 9])

    def test_llama(self):
        self._check(small_llama(), [2, 3, 9])

    def test_tied_llama(self):
        self._check(small_llama(tie_word_embeddings=True), [2, 3, 9])

    def test_unet(self):
        self._check(SMALL["unet"]())

    def test_uvit(self):
        self._check(SMALL["uvit"]())

    def _check(self, network, lengths=()):
        config = {**network.get_config(), "name": None}
        self.run_backbone_test(
            type(network),
            {key: value for key, value in config.items() if key != "name"},
            inputs_of(network),
            (*inputs_of(network)["tokens"].shape, network.vocabulary_size),
            variable_length_data=[inputs_of(network, length) for length in lengths],
            run_mixed_precision_check=False,
        )
        with_random_weights(network)
        folder = network.save_to_preset(self.get_temp_dir() + "/preset")
        self.run_preset_test(
            type(network),
            str(folder),
            inputs_of(network),
            expected_output=network(inputs_of(network)),
        )
