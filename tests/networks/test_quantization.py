"""Networks in 8 and 4 bits: near what they were, the same when loaded, trained through adapters."""

import json

import keras
import numpy as np
import pytest

from md4keras import MD4, load_model, save_model
from md4keras.layers.convolution import Conv2D
from tests.compiled import one_program
from tests.networks.test_network import SMALL, random_inputs, with_random_weights
from tests.reference import array


def logits_of(network):
    return array(one_program(network)(random_inputs(network)))


@pytest.mark.parametrize(
    "name, mode, worst",
    [("transformer", "int8", 0.05), ("uvit", "int8", 0.05), ("unet", "int4", 0.5)],
)
def test_a_quantized_network_is_near_and_survives_a_round_trip(name, mode, worst, tmp_path):
    network = with_random_weights(SMALL[name](num_classes=3), 0.1)
    before, count = logits_of(network), network.count_params()
    network.quantize(mode)
    after = logits_of(network)
    assert network.count_params() == count
    assert 0 < np.abs(after - before).max() < worst * np.abs(before).max()
    held = [weight.dtype for weight in network.weights if len(weight.shape) > 1]
    assert held.count("int8") > 0.6 * len(held)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(network)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == network.get_config()
    assert [v.path for v in copy.weights] == [v.path for v in network.weights]
    network.save_weights(tmp_path / "x.weights.h5")
    copy.load_weights(tmp_path / "x.weights.h5")
    np.testing.assert_array_equal(logits_of(copy), after)


def test_adapters_of_a_quantized_model_train_and_come_back(tmp_path):
    model = MD4(with_random_weights(SMALL["transformer"]()))
    model.quantize("int8")
    model.enable_lora(2)
    model.compile(keras.optimizers.AdamW(0.03))
    before = {weight.path: array(weight).copy() for weight in model.weights}
    x = np.full((32, 6), 3, "int32")
    first = array(model.diffusion_loss(x[:1], np.full((1, 6), 7), 1.0))
    model.fit(x, epochs=20, verbose=0)
    assert array(model.diffusion_loss(x[:1], np.full((1, 6), 7), 1.0)) < 0.5 * first
    changed = {w.path for w in model.weights if (array(w) != before[w.path]).any()}
    assert changed == {variable.path for variable in model.trainable_variables}
    again = load_model(save_model(model, tmp_path / "model"))
    np.testing.assert_array_equal(again.generate(2, num_steps=3), model.generate(2, num_steps=3))
    logits = logits_of(model.network)
    model.merge_lora()
    worst = 0.1 * np.abs(logits).max()  # rounded once more
    np.testing.assert_allclose(logits_of(model.network), logits, atol=worst)


def test_the_loss_of_a_quantized_head_is_that_of_its_logits():
    model = MD4(with_random_weights(SMALL["transformer"]()))
    model.quantize("int8")
    assert model.network.head.linear_kernel is None  # whose inputs are rounded, too
    x = np.random.default_rng(0).integers(0, 7, (64, 6)).astype("int32")
    found = model.evaluate(x, verbose=0, return_dict=True)["loss"]
    model.dense_loss = True
    model._forget_compiled()
    np.testing.assert_allclose(model.evaluate(x, verbose=0, return_dict=True)["loss"], found)


def test_inputs_that_are_left_alone_stay_so(tmp_path):
    network = with_random_weights(SMALL["transformer"]())
    config = keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
    network.quantize(config=config, filters="^(?!head)")
    assert network.head.projection.quantization_mode is None
    assert network.head.linear_kernel is not None
    model = load_model(save_model(MD4(network), tmp_path / "model"))
    np.testing.assert_array_equal(logits_of(model.network), logits_of(network))
    assert model.network.get_config() == network.get_config()


@pytest.mark.one_backend
@pytest.mark.parametrize("mode, block_size", [("int8", None), ("int4", 64), ("int4", None)])
def test_a_convolution_is_that_of_the_kernel_that_its_bits_stand_for(mode, block_size):
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 6)).astype("float32")
    layer = Conv2D(7, 3, padding="same")
    layer(x)
    kernel = array(layer.kernel).copy()
    config = None
    if mode == "int4":
        config = keras.quantizers.Int4QuantizationConfig(block_size=block_size)
    layer.quantize(mode, config=config)
    assert layer._kernel.dtype == "int8"
    rounded = array(layer.kernel)
    step = np.abs(kernel).max() / (127 if mode == "int8" else 7)
    assert 0 < np.abs(rounded - kernel).max() < 1.1 * step
    plain = keras.layers.Conv2D(7, 3, padding="same")
    plain.build(x.shape)
    plain.set_weights([rounded, array(layer.bias)])
    np.testing.assert_allclose(array(layer(x)), array(plain(x)), atol=1e-5)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "call",
    [
        lambda n: n.quantize("float8"),
        lambda n: n.quantize("int3"),
        lambda n: n.quantize("int8", filters="nothing"),
        lambda n: (n.quantize("int8"), n.quantize("int8")),
        lambda n: SMALL["transformer"](
            dtype=keras.dtype_policies.DTypePolicyMap("float32", {"(a+)+b": "int8_from_float32"})
        ),
    ],
)
def test_mistakes_are_named(call):
    with pytest.raises(ValueError, match="Expected .*\\s*.*Received: |already quantized"):
        call(SMALL["transformer"]())
