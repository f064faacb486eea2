import numpy as np
import pytest

from md4keras.networks import Transformer
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
    assert tuple(network(inputs).shape) == (2, length, 7)
    assert network.data_shape == (6,)


def test_every_token_sees_every_other():
    network = with_random_weights(SMALL["transformer"](num_layers=1))
    tokens = np.full((1, 6), 7)
    before = array(network({"tokens": tokens, "time": np.ones(1)}))
    for position in range(6):
        changed = tokens.copy()
        changed[0, position] = 2
        after = array(network({"tokens": changed, "time": np.ones(1)}))
        assert (np.abs(after - before).max(axis=-1) > 1e-6).all()


def test_depth_scaling_changes_the_mlp_kernels_alone():
    def variances(depth_scaled_init):
        network = Transformer(
            5, 4, 8, num_heads=4, feature_dim=32, depth_scaled_init=depth_scaled_init
        )
        block = network.backbone.get_layer("block_3")
        return [
            float(np.var(array(dense.kernel)) * dense.kernel.shape[0])
            for dense in (block.mlp.gate, block.mlp.output_projection, block.attention.query)
        ]

    np.testing.assert_allclose(variances(False), [1.0, 1.0, 1.0], rtol=0.1)
    np.testing.assert_allclose(variances(True), [0.25, 0.25, 1.0], rtol=0.1)


def test_attention_dropout_can_be_left_out():
    block = SMALL["transformer"](num_layers=1, dropout=0.3, attention_dropout=False)
    attention = block.backbone.get_layer("block_0").attention
    assert (attention.dropout_rate, attention.attention_dropout_rate) == (0.3, 0.0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sequence_length": 0},
        {"num_heads": 1.5},
        {"feature_dim": 9},
        {"mlp_type": "relu"},
        {"conditioning_type": "film"},
        {"embedding": "both"},
    ],
    ids=str,
)
def test_bad_arguments_are_named(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"Expected .*Received: {name}={value!r}"):
        SMALL["transformer"](num_layers=1, **arguments)
