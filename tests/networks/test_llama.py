import json

import keras
import numpy as np
import pytest

from md4keras import MD4, load_model, save_model
from md4keras.networks import Llama
from tests.compiled import one_program
from tests.networks.test_network import random_inputs, with_random_weights
from tests.reference import array


def small(**arguments):
    sizes = dict(vocabulary_size=7, sequence_length=8, num_layers=1, num_heads=4, hidden_dim=16)
    return Llama(**{**sizes, "intermediate_dim": 24, "num_key_value_heads": 2, **arguments})


TIED = {"tie_word_embeddings": True, "num_key_value_heads": 1}


@pytest.mark.parametrize("arguments", [{}, TIED], ids=["in groups", "tied, one group"])
def test_padding_and_other_documents_are_not_seen(arguments):
    network = with_random_weights(small(**arguments))
    call = one_program(network)
    tokens = np.random.default_rng(0).integers(0, 8, (3, 8)).astype("int32")
    first, second = tokens[:, :4], tokens[:, 4:]
    alone = [array(call({"tokens": part})) for part in (first, second)]
    documents = np.repeat([[1, 2]], 4, axis=1).repeat(3, axis=0).astype("int32")
    packed = array(call({"tokens": tokens, "segment_ids": documents}))
    np.testing.assert_allclose(packed, np.concatenate(alone, axis=1), atol=1e-5)
    mask = np.arange(8) < np.array([[4], [8], [0]])  # half a row, all of it, and nothing
    padded = array(call({"tokens": tokens, "padding_mask": mask}))
    np.testing.assert_allclose(padded[0, :4], alone[0][0], atol=1e-5)
    whole = array(call({"tokens": tokens}))
    np.testing.assert_allclose(padded[1], whole[1], atol=1e-5)
    assert np.isfinite(padded).all()
    assert np.abs(padded[0, :4] - whole[0, :4]).max() > 1e-3
    ends = array(call({"tokens": tokens[:, ::-1], "padding_mask": mask[:, ::-1]}))
    backwards = array(call({"tokens": first[:, ::-1]}))
    np.testing.assert_allclose(ends[0, 4:], backwards[0], atol=1e-5)  # padding stands before


def test_lean_steps_that_compute_again_are_the_plain_one():
    """Loss, gradients and dropout of one step, from the weights after it."""
    x = np.random.default_rng(2).integers(0, 7, (6, 8)).astype("int32")
    results = []
    for remat in (None, "activations", "full"):
        keras.utils.set_random_seed(0)
        model = MD4(with_random_weights(small(remat=remat, dropout=0.3, **TIED)), seed=0)
        for number, variable in enumerate(model.non_trainable_variables):
            variable.assign(np.array([7 + number, 0]))  # states of random generators alone
        model.dense_loss = remat is None
        model.compile(keras.optimizers.SGD(1.0))
        loss = model.train_on_batch(x, return_dict=True)["loss"]
        results.append((float(loss), [array(v) for v in model.trainable_variables]))
    (loss, weights), *others = results
    for other, theirs in others:
        np.testing.assert_allclose(other, loss, rtol=1e-5)
        for a, b in zip(weights, theirs, strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=3e-5 * max(1.0, np.abs(a).max()))


def test_texts_may_be_longer_and_every_token_sees_every_other():
    network = with_random_weights(small())
    call = one_program(network)
    tokens = np.full((1, 11), 7)
    before = array(call({"tokens": tokens}))
    assert before.shape == (1, 11, 7)
    assert (network.data_shape, network.max_length) == ((8,), None)
    for position in range(11):
        changed = tokens.copy()
        changed[0, position] = 2
        after = array(call({"tokens": changed}))
        assert (np.abs(after - before).max(axis=-1) > 1e-6).all()


def test_groups_and_ties_save_weights():
    whole, grouped = (small(num_layers=2, num_key_value_heads=n) for n in (None, 1))
    saved_in_each_block = 2 * 16 * (16 - 4)
    assert whole.count_params() - grouped.count_params() == 2 * saved_in_each_block
    tied = small(num_layers=2, tie_word_embeddings=True, num_key_value_heads=None)
    assert whole.count_params() - tied.count_params() == 16 * 7
    assert len(tied.variables) == len({v.path for v in tied.variables}) == 20


@pytest.mark.parametrize("tied,policy", [(False, "float32"), (True, "mixed_bfloat16")])
def test_configuration_and_weights_survive_a_round_trip(tied, policy, tmp_path):
    network = with_random_weights(small(tie_word_embeddings=tied, dropout=0.1, dtype=policy))
    inputs = random_inputs(network)
    logits = array(one_program(network)(inputs))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(network)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == network.get_config()
    assert [v.path for v in copy.variables] == [v.path for v in network.variables]
    network.save(tmp_path / "x.keras")
    copy = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(array(one_program(copy)(inputs)), logits)


def test_mixed_precision_keeps_logits_in_float32_and_trains():
    network = small(dtype="mixed_bfloat16", dropout=0.1, remat="full")
    exact = with_random_weights(small())
    with_random_weights(network)
    inputs = random_inputs(network)
    logits, expected = (array(one_program(each)(inputs)) for each in (network, exact))
    assert logits.dtype == np.float32
    assert np.abs(logits - expected).max() < 5e-2 * np.abs(expected).max()
    model = MD4(network, seed=0)
    model.compile(keras.optimizers.Adam(1e-2))
    x = np.full((32, 8), 3, "int32")
    history = model.fit(x, batch_size=16, epochs=8, verbose=0).history["bits_per_dim"]
    assert history[-1] < 0.5 * history[0]


@pytest.mark.parametrize("arguments", [{}, TIED], ids=["in groups", "tied, one group"])
def test_few_bits_and_adapters_beside_them_are_kept(arguments, tmp_path):
    network = with_random_weights(small(dtype="mixed_bfloat16", **arguments))
    inputs = random_inputs(network)
    before = array(one_program(network)(inputs))
    network.quantize("int8")
    after = one_program(network)(inputs)
    assert keras.backend.standardize_dtype(after.dtype) == "float32"
    assert 0 < np.abs(array(after) - before).max() < 0.1 * np.abs(before).max()
    network.enable_lora(2, ["query", "gate", "token_embedding"])
    assert len(network.trainable_variables) == 6
    with_random_weights(network)
    logits = array(one_program(network)(inputs))
    assert np.abs(logits - array(after)).max() > 1e-2
    model = load_model(save_model(MD4(network), tmp_path / "model"))
    np.testing.assert_array_equal(array(one_program(model.network)(inputs)), logits)


def test_a_new_network_predicts_the_uniform_distribution():
    network = small()
    assert not array(one_program(network)(random_inputs(network))).any()


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "arguments",
    [
        {"sequence_length": 0},
        {"num_layers": -1},
        {"num_heads": 1.5},
        {"hidden_dim": 20},
        {"intermediate_dim": 0},
        {"num_key_value_heads": 3},
        {"rope_max_wavelength": 1.0},
        {"layer_norm_epsilon": -1.0},
        {"dropout": 1.0},
        {"remat": "all"},
    ],
    ids=str,
)
def test_bad_arguments_are_named(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"Expected .*Received: {name}={value!r}"):
        small(**arguments)


@pytest.mark.one_backend
@pytest.mark.parametrize("name", ["time_features", "num_classes", "heads"])
def test_unknown_arguments_are_refused(name):
    with pytest.raises(TypeError, match=f"A Llama has no argument '{name}'"):
        small(**{name: 3})
