import numpy as np
import pytest

from md4keras.networks import UNet
from tests.networks.test_network import SMALL
from tests.reference import load_reference, reference_inputs, reference_network

FILES = ["unet_none_nonsquare_gray", "unet_t", "unet_t_class", "unet_t_smallscale"]


@pytest.mark.parametrize("name", FILES)
def test_logits_are_the_published_ones(name):
    reference = load_reference(name)
    network = reference_network(reference)
    logits = network.predict_on_batch(reference_inputs(reference))
    np.testing.assert_allclose(logits, reference["logits"], atol=1e-4, rtol=1e-4)


def test_logits_end_in_channels_and_vocabulary():
    network = UNet(5, [3, 2, 4], num_layers=0, feature_dim=64, time_features="none")
    assert network.output_shape == (None, 3, 2, 4, 5)
    assert network.data_shape == (3, 2, 4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_shape": (8, 8)},
        {"image_shape": 8},
        {"image_shape": (8, 0, 1)},
        {"feature_dim": 32},
        {"feature_dim": 80},
    ],
    ids=str,
)
def test_bad_arguments_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"Expected .*Received: {name}="):
        SMALL["unet"](num_layers=1, **arguments)


def test_the_message_names_a_width_that_works():
    with pytest.raises(ValueError, match="Use 64"):
        SMALL["unet"](num_layers=1, feature_dim=32)
    with pytest.raises(ValueError, match="Use 96"):
        SMALL["unet"](num_layers=1, feature_dim=80)
