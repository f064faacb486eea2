import keras
import numpy as np
import pytest

from md4keras import MD4
from md4keras.conversion.names import parameter_names
from tests.networks.test_network import SMALL, random_inputs, with_random_weights
from tests.reference import array, load_reference, reference_inputs, reference_network

FILES = ["uvit_ch11_t_class", "uvit_ch1_none", "uvit_ch1_t", "uvit_ch1_t_smallscale"]


@pytest.mark.parametrize("name", FILES)
def test_logits_are_the_published_ones(name):
    reference = load_reference(name)
    network = reference_network(reference)
    logits = network.predict_on_batch(reference_inputs(reference))
    np.testing.assert_allclose(logits, reference["logits"], atol=1e-4, rtol=1e-4)


def test_widths_are_the_published_ones():
    network = SMALL["uvit"](num_layers=1, channel_multipliers=(1, 2))
    names = parameter_names(network)
    path = "UNet5DWrapper_0/UNet_0/ResBlock_{}/Conv_0/kernel"
    widths = [names[path.format(index)][1][2:] for index in range(8)]
    # Down at 32, halved at 32, then 64; up at 64 (with 64, then 32 joined), doubled, then 32.
    down = [(32, 32), (32, 32), (32, 64)]
    up = [(128, 64), (96, 64), (64, 64), (96, 32), (64, 32)]
    assert widths == down + up
    assert path.format(8) not in names


def test_every_parameter_has_a_published_name():
    for arguments in ({}, {"time_features": "none"}, {"num_classes": 3}):
        network = SMALL["uvit"](num_layers=2, channel_multipliers=[2, 1], **arguments)
        named = {variable.path for variable, _ in parameter_names(network).values()}
        assert named == {variable.path for variable in network.trainable_variables}


@pytest.mark.parametrize(
    "image_shape,channel_multipliers",
    [((8, 8, 1), (1, 1, 2)), ((2, 6, 1), (1,)), ((12, 4, 3), (2, 1))],
)
def test_images_of_any_shape_that_can_be_halved(image_shape, channel_multipliers):
    network = SMALL["uvit"](
        num_layers=0, image_shape=list(image_shape), channel_multipliers=channel_multipliers
    )
    assert network.data_shape == image_shape
    logits = array(with_random_weights(network)(random_inputs(network)))
    assert logits.shape == (3, *image_shape, 7)
    assert np.isfinite(logits).all()


def test_patches_return_to_where_they_were_cut():
    network = SMALL["uvit"](
        num_layers=0, image_shape=(4, 6, 1), hidden_dim=128, channel_multipliers=(1,)
    )
    network.patch_embedding.kernel.assign(np.eye(128).reshape(2, 2, 32, 128))
    network.dit_projection.kernel.assign(np.eye(128))
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 32)).astype("float32")
    patches = network.to_patches(keras.ops.convert_to_tensor(x))
    assert tuple(patches.shape) == (2, 6, 128)
    np.testing.assert_allclose(array(network.from_patches(patches, x.shape)), x, atol=1e-6)


@pytest.mark.slow
def test_training_moves_every_parameter():
    network = SMALL["uvit"](num_layers=0, num_classes=3, dropout=0.1, label_dropout=0.1)
    model = MD4(with_random_weights(network))
    before = [array(variable) for variable in network.trainable_variables]
    model.compile(keras.optimizers.Adam(1e-2))
    x, labels = np.full((16, 4, 8, 2), 2, "int32"), np.arange(16, dtype="int32") % 3
    history = model.fit(x, labels, batch_size=8, epochs=5, verbose=0).history
    assert history["bits_per_dim"][-1] < history["bits_per_dim"][0]
    for variable, old in zip(network.trainable_variables, before, strict=True):
        # Attention does not see the key's bias.
        moved = (array(variable) != old).any()
        assert moved or variable.path.endswith("key/bias"), variable.path


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_shape": (8, 8)},
        {"image_shape": (4, 6, 1)},  # 3 pixels wide at the lower resolution
        {"image_shape": (2, 4, 1)},
        {"feature_dim": 48},
        {"num_dit_layers": 0},
        {"num_heads": 0},
        {"hidden_dim": 18},
        {"hidden_dim": 0},
        {"channel_multipliers": 2},
        {"channel_multipliers": ()},
        {"channel_multipliers": (1, 0)},
    ],
    ids=str,
)
def test_bad_arguments_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"Expected .*Received: {name}="):
        SMALL["uvit"](num_layers=1, **arguments)


def test_the_message_names_what_works():
    with pytest.raises(ValueError, match="Use 64"):
        SMALL["uvit"](num_layers=1, feature_dim=48)
    with pytest.raises(ValueError, match="multiple of 12.*Use 24"):
        SMALL["uvit"](num_layers=1, num_heads=3, hidden_dim=16)
