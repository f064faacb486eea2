import keras
import numpy as np
import pytest
from keras import ops

from md4keras import MD4
from md4keras.networks import Transformer, UNet
from tests.compiled import one_program
from tests.gradients import gradients_of
from tests.networks.test_network import SMALL, with_random_weights
from tests.reference import array, load_reference, reference_inputs, reference_network

FILES = [
    "transformer_adaln_glu_t_smallscale",
    "transformer_adaln_swiglu_none_class_outside",
    "transformer_adaln_swiglu_t_inside",
    "transformer_adaln_swiglu_t_len37",
    "transformer_adaln_zero_geglu_t_class_inside",
    "transformer_adaln_zero_glu_t_outside",
    "transformer_glu_none_inside",
    "transformer_swiglu_none_smallscale",
]


@pytest.mark.parametrize("name", FILES)
def test_logits_are_the_published_ones(name):
    reference = load_reference(name)
    network = reference_network(reference)
    logits = network.predict_on_batch(reference_inputs(reference))
    np.testing.assert_allclose(logits, reference["logits"], atol=1e-4, rtol=1e-4)
    if "t_scalar" in reference:
        batch = reference["zt"].shape[0]
        time = np.full((batch,), reference["t_scalar"], "float32")
        logits = network.predict_on_batch({**reference_inputs(reference), "time": time})
        expected = reference["logits_t_scalar"]
        np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("length", [1, 6, 11])
def test_other_lengths_run(length):
    network = with_random_weights(SMALL["transformer"](num_layers=2))
    inputs = {"tokens": np.full((2, length), 7), "time": np.ones(2)}
    assert tuple(one_program(network)(inputs).shape) == (2, length, 7)
    assert network.data_shape == (6,)


def test_every_token_sees_every_other():
    network = with_random_weights(SMALL["transformer"](num_layers=1))
    call = one_program(network)
    tokens = np.full((1, 6), 7)
    before = array(call({"tokens": tokens, "time": np.ones(1)}))
    for position in range(6):
        changed = tokens.copy()
        changed[0, position] = 2
        after = array(call({"tokens": changed, "time": np.ones(1)}))
        assert (np.abs(after - before).max(axis=-1) > 1e-6).all()


def test_depth_scaling_changes_the_mlp_kernels_alone():
    def variances(depth_scaled_init):
        network = Transformer(
            5, 4, 8, num_heads=4, feature_dim=32, depth_scaled_init=depth_scaled_init
        )
        block = network.blocks[3]
        return [
            float(np.var(array(dense.kernel)) * dense.kernel.shape[0])
            for dense in (block.mlp.gate, block.mlp.output_projection, block.attention.query)
        ]

    np.testing.assert_allclose(variances(False), [1.0, 1.0, 1.0], rtol=0.1)
    np.testing.assert_allclose(variances(True), [0.25, 0.25, 1.0], rtol=0.1)


def test_attention_dropout_can_be_left_out():
    network = SMALL["transformer"](num_layers=1, dropout=0.3, attention_dropout=False)
    attention = network.blocks[0].attention
    assert (attention.dropout_rate, attention.attention_dropout_rate) == (0.3, 0.0)


def bits_of_columns(positions):
    """What two layers reach on eight independent columns, each of them almost certain."""
    rng = np.random.default_rng(0)
    ones = np.where([1, 0, 0, 1, 0, 1, 1, 0], 0.98, 0.02)
    x, held_out = (rng.random((2, 4096, 8)) < ones).astype("int32")
    network = Transformer(2, 8, 2, num_heads=2, feature_dim=16, positions=positions)
    model = MD4(network, seed=0)
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(x, batch_size=256, epochs=20, verbose=0)
    report = model.evaluate(held_out, batch_size=512, return_dict=True, verbose=0)
    return report["bits_per_dim"]


@pytest.mark.slow
@pytest.mark.one_backend
def test_columns_are_told_apart_by_learned_positions_alone():
    entropy = -(0.02 * np.log2(0.02) + 0.98 * np.log2(0.98))  # 0.141 bits
    assert entropy - 0.01 < bits_of_columns("learned") < entropy + 0.02
    assert bits_of_columns("rotary") > entropy + 0.1


def test_learned_positions_tell_masked_tokens_apart():
    rows = {}
    for positions in ("rotary", "learned"):
        network = with_random_weights(SMALL["transformer"](num_layers=2, positions=positions))
        inputs = {"tokens": np.full((1, 6), 7), "time": np.ones(1)}
        rows[positions] = array(one_program(network)(inputs))[0]
    np.testing.assert_allclose(rows["rotary"], rows["rotary"][:1].repeat(6, 0), rtol=1e-4)
    assert np.abs(np.diff(rows["learned"], axis=0)).max(axis=-1).min() > 1e-2


def test_learned_positions_end_with_the_sequence_length():
    network = SMALL["transformer"](num_layers=1, positions="learned")
    assert (network.max_length, SMALL["transformer"](num_layers=1).max_length) == (6, None)
    inputs = {"tokens": np.full((2, 4), 7), "time": np.ones(2)}
    assert tuple(one_program(network)(inputs).shape) == (2, 4, 7)
    with pytest.raises(ValueError, match="Expected a length of at most 6. Received: length=7"):
        network({"tokens": np.full((2, 7), 7), "time": np.ones(2)})


def test_a_configuration_without_positions_is_the_rotary_one():
    network = SMALL["transformer"](num_layers=1)
    config = network.get_config()
    assert config.pop("positions") == "rotary"
    copy = Transformer.from_config(config)
    assert [v.path for v in copy.variables] == [v.path for v in network.variables]


LENGTHS = (8, 5, 1)
PADDED = {
    "rotary": {"num_layers": 2, "num_classes": 3, "remat": None},
    "rotary, activations": {"conditioning_type": "adaln_zero", "remat": "activations"},
    "learned, activations": {"positions": "learned", "remat": "activations"},
    "learned, full": {"positions": "learned", "remat": "full"},
    "neither time nor label, full": {
        "time_features": "none",
        "embedding": "outside",
        "remat": "full",
    },
}


def padded_inputs(network, lengths=LENGTHS, length=8, seed=0):
    """Texts of these lengths, and garbage behind them."""
    rng = np.random.default_rng(3)
    batch = len(lengths)
    inputs = {"time": np.linspace(0.1, 0.9, batch).astype("float32"), "label": np.arange(batch)}
    inputs = {name: inputs[name] for name in inputs if name in network.input}
    tokens = rng.integers(0, 8, (batch, length))
    mask = np.arange(length) < np.array(lengths)[:, None]
    garbage = np.random.default_rng(seed).integers(0, 8, tokens.shape)
    tokens = np.where(mask, tokens, garbage).astype("int32")
    inputs = {**inputs, "tokens": tokens, "padding_mask": mask}
    return {name: ops.convert_to_tensor(value) for name, value in inputs.items()}


def each_alone(network, inputs):
    """The inputs of each text without its padding."""
    for row, length in enumerate(LENGTHS):
        alone = {name: x[row : row + 1] for name, x in inputs.items() if name != "padding_mask"}
        yield {**alone, "tokens": alone["tokens"][:, :length]}


@pytest.mark.parametrize("arguments", PADDED.values(), ids=PADDED)
def test_padding_changes_neither_logits_nor_gradients(arguments):
    options = {"num_layers": 1, "sequence_length": 8, **arguments}
    network = with_random_weights(SMALL["transformer"](**options))
    assert network.takes_padding_mask and not UNet.takes_padding_mask
    inputs = padded_inputs(network)
    call = one_program(network, training=True)
    padded = array(call(inputs))
    margin = 1e-6 * np.abs(padded[array(inputs["padding_mask"])]).max()
    for row, alone in enumerate(each_alone(network, inputs)):
        logits = array(call(alone))[0]
        np.testing.assert_allclose(padded[row, : LENGTHS[row]], logits, rtol=0, atol=margin)

    def loss(inputs):
        squares = ops.square(network(inputs, training=True))
        if "padding_mask" in inputs:
            squares = ops.where(inputs["padding_mask"][:, :, None], squares, 0.0)
        return ops.sum(squares)

    ours = gradients_of(network, loss, inputs)
    each = [gradients_of(network, loss, alone) for alone in each_alone(network, inputs)]
    theirs = [sum(gradients) for gradients in zip(*each, strict=True)]
    largest = max(np.abs(gradient).max() for gradient in theirs)
    for variable, a, b in zip(network.trainable_variables, ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * largest, err_msg=variable.path)


def test_garbage_in_the_padding_is_not_seen():
    network = with_random_weights(SMALL["transformer"](num_layers=2))
    some, other = (padded_inputs(network, seed=seed) for seed in (0, 1))
    mask = array(some["padding_mask"])
    assert (array(some["tokens"]) != array(other["tokens"])).any()
    call = one_program(network)
    logits = array(call(some))
    np.testing.assert_array_equal(logits[mask], array(call(other))[mask])
    parts = one_program(lambda x: network.head(network.features(x)), network)
    np.testing.assert_array_equal(array(parts(some)), logits)
    np.testing.assert_allclose(network.predict_on_batch(some), logits, atol=1e-5)


def test_dropout_of_attention_leaves_the_padding_out_too():
    network = with_random_weights(SMALL["transformer"](num_layers=1, dropout=0.4, num_heads=1))
    attention = network.blocks[0].attention
    x = np.random.default_rng(0).normal(size=(3, 8, 8)).astype("float32")
    mask = padded_inputs(network)["padding_mask"]
    query, key, value = attention.project(ops.convert_to_tensor(x))
    marked = ops.where(mask[:, :, None, None], value, 1e6)
    for training in (False, True):
        mixed = array(attention.attend(query, key, marked, mask, training))
        assert np.abs(mixed).max() < 1e3
    assert np.abs(array(attention.attend(query, key, marked))).max() > 1e3


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow")
def test_padding_in_graphs_of_any_size(tmp_path):
    import tensorflow as tf

    network = with_random_weights(SMALL["transformer"](num_layers=1, positions="learned"))
    inputs = padded_inputs(network, length=6, lengths=(6, 2))
    expected = array(network(inputs))
    compiled = tf.function(network, jit_compile=True)
    np.testing.assert_allclose(array(compiled(inputs)), expected, atol=1e-5)
    mask = keras.Input((None,), dtype="bool", name="padding_mask")
    symbolic = {**network.input, "padding_mask": mask}
    for names in (symbolic, network.input):
        model = keras.Model(names, network(names)) if names is symbolic else network
        model.export(tmp_path / "model", verbose=False)
        served = tf.saved_model.load(tmp_path / "model")
        for batch, length in ((2, 6), (1, 3)):
            part = {name: inputs[name][:batch] for name in names}
            part = {k: x if k == "time" else x[:, :length] for k, x in part.items()}
            logits, wanted = array(served.serve(part)), array(network(part))
            np.testing.assert_allclose(logits, wanted, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sequence_length": 0},
        {"num_heads": 1.5},
        {"feature_dim": 9},
        {"mlp_type": "relu"},
        {"conditioning_type": "film"},
        {"embedding": "both"},
        {"positions": "absolute"},
    ],
    ids=str,
)
def test_bad_arguments_are_named(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"Expected .*Received: {name}={value!r}"):
        SMALL["transformer"](num_layers=1, **arguments)
