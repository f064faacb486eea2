"""Adapters of every network: what they train, what they leave alone, and how they are kept."""

import keras
import numpy as np
import pytest

from md4keras import MD4, GenMD4, load_model, save_model
from md4keras.networks import lora
from tests.compiled import one_program
from tests.networks.test_network import SMALL, each_network, random_inputs, with_random_weights
from tests.reference import array

TRAINED = {"transformer": 14, "unet": 22, "uvit": 30, "dit": 12}  # A and B of each layer


def adapted(make, rank=2, **kwargs):
    """A network whose adapters say something."""
    network = with_random_weights(make(**kwargs))
    network.enable_lora(rank)
    return with_random_weights(network)


@pytest.mark.parametrize("name", SMALL)
def test_new_adapters_change_nothing_and_are_all_that_is_trained(name):
    network = with_random_weights(SMALL[name](num_classes=3))
    inputs = random_inputs(network)
    before = array(one_program(network)(inputs))
    network.enable_lora(2)
    np.testing.assert_allclose(array(one_program(network)(inputs)), before, atol=1e-5, rtol=1e-5)
    paths = [variable.path for variable in network.trainable_variables]
    assert len(paths) == TRAINED[name]
    assert all("/lora_kernel_" in path for path in paths)
    assert network.lora_rank == 2


@each_network
def test_merging_keeps_the_logits_and_trains_all_weights_again(make):
    network = adapted(make)
    inputs, weights = random_inputs(network), [v.path for v in make().weights]
    before = array(one_program(network)(inputs))
    network.merge_lora()
    after = array(one_program(network)(inputs))
    np.testing.assert_allclose(after, before, atol=1e-4 * np.abs(before).max())
    assert [v.path for v in network.weights] == weights
    assert len(network.trainable_variables) == len(weights) and network.lora_rank is None


@each_network
def test_adapters_alone_are_saved_and_loaded(make, tmp_path):
    network, path = adapted(make, dtype="mixed_bfloat16"), tmp_path / "mine.lora.h5"
    network.save_lora_weights(path)
    other = with_random_weights(make(dtype="mixed_bfloat16"))
    other.load_lora_weights(path)
    inputs = random_inputs(network)
    np.testing.assert_array_equal(
        array(one_program(other)(inputs)), array(one_program(network)(inputs))
    )
    assert len(other.trainable_variables) == len(network.trainable_variables)


@pytest.mark.parametrize("objective", [MD4, pytest.param(GenMD4, marks=pytest.mark.slow)])
def test_fit_changes_the_adapters_alone(objective, tmp_path):
    model = objective(with_random_weights(SMALL["transformer"](num_classes=2, dropout=0.1)))
    model.enable_lora(2)
    model.compile(keras.optimizers.AdamW(0.03, use_ema=True, ema_momentum=0.5))
    before = {weight.path: array(weight).copy() for weight in model.weights}
    x, y = np.full((32, 6), 3, "int32"), np.zeros((32,), "int32")
    example = x[:1], np.full((1, 6), 7), 1.0, y[:1]
    first = array(model.diffusion_loss(*example))
    model.fit(x, y, epochs=20, verbose=0)
    assert array(model.diffusion_loss(*example)) < 0.5 * first
    changed = {w.path for w in model.weights if (array(w) != before[w.path]).any()}
    assert changed == {variable.path for variable in model.trainable_variables}
    again = load_model(save_model(model, tmp_path / "model"))
    tokens = again.generate(3, labels=[0, 0, 1], num_steps=4)
    np.testing.assert_array_equal(tokens, model.generate(3, labels=[0, 0, 1], num_steps=4))
    again.compile(keras.optimizers.AdamW(0.01))  # and trains on, which Keras's own files prevent
    assert again.fit(x, y, epochs=1, verbose=0).history["grad_norm"][-1] > 0


def test_what_was_compiled_is_not_used_again():
    model = MD4(with_random_weights(SMALL["transformer"]()))
    model.compile(keras.optimizers.AdamW(0.01))
    model.fit(np.zeros((8, 6), "int32"), verbose=0)
    drawn = model.generate(8, num_steps=3)
    model.enable_lora(2)
    with pytest.raises(ValueError, match="optimizer"):  # it has slots for other weights
        model.fit(np.zeros((8, 6), "int32"), verbose=0)
    np.testing.assert_array_equal(model.generate(8, num_steps=3), drawn)
    for variable in model.trainable_variables:
        variable.assign(variable + 1.0)
    assert (model.generate(8, num_steps=3) != drawn).any()


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "call",
    [
        lambda n, p: n.enable_lora(0),
        lambda n, p: n.enable_lora(2, lora_alpha=-1.0),
        lambda n, p: n.enable_lora(2, ["query", "nothing"]),
        lambda n, p: (n.enable_lora(2), n.enable_lora(2)),
        lambda n, p: n.save_lora_weights(p / "x.lora.h5"),
        lambda n, p: n.save_lora_weights(p / "x.h5"),
        lambda n, p: n.load_lora_weights(p / "none.lora.h5"),
    ],
)
def test_mistakes_are_named(call, tmp_path):
    with pytest.raises(ValueError, match="Expected .*\\s*.*Received: "):
        call(SMALL["transformer"](), tmp_path)


@pytest.mark.one_backend
def test_adapters_of_another_network_are_refused(tmp_path):
    path = tmp_path / "x.lora.h5"
    adapted(SMALL["transformer"]).save_lora_weights(path)
    for other in (SMALL["unet"](), SMALL["transformer"](feature_dim=16)):
        with pytest.raises(ValueError, match="block_0/"):
            other.load_lora_weights(path)
        assert not other.lora_layers
    narrow = SMALL["transformer"]()
    narrow.enable_lora(1)
    with pytest.raises(ValueError, match="lora_rank=1"):
        narrow.load_lora_weights(path)


@pytest.mark.one_backend
def test_layers_are_chosen_by_name_or_path():
    network = SMALL["transformer"](num_layers=2)
    network.enable_lora(3, ["block_1/attention/query", "token_embedding", "projection"], 6)
    names = [layer.path for layer in network.lora_layers]
    assert "block_0/attention/query" not in names and "head/projection" in names
    assert {layer.lora_alpha for layer in network.lora_layers} == {6}
    lora.freeze(network)
    assert not network.trainable_variables
    other = SMALL["transformer"]()
    other.enable_lora(1, "query")
    assert [layer.name for layer in other.lora_layers] == ["query"]
