"""Truths that hold for every network."""

import json

import keras
import numpy as np
import pytest

from md4keras import MD4
from md4keras.layers import VocabularyHead
from md4keras.networks import DiT, Network, Transformer, UNet, UViT
from tests.compiled import one_program
from tests.reference import array

UVIT = dict(
    vocabulary_size=7,
    num_layers=0,  # and yet four residual blocks
    image_shape=(4, 8, 2),
    feature_dim=32,
    num_dit_layers=1,
    num_heads=2,
    hidden_dim=16,
    channel_multipliers=(1, 2),
)
SMALL = {
    "transformer": lambda **kw: Transformer(
        **{
            **dict(vocabulary_size=7, sequence_length=6, num_layers=1, num_heads=2, feature_dim=8),
            **kw,
        }
    ),
    "dit": lambda **kw: DiT(
        **{
            **dict(vocabulary_size=7, sequence_length=6, num_layers=1, num_heads=2, hidden_dim=16),
            **dict(feature_dim=8, time_features="t"),
            **kw,
        }
    ),
    "unet": lambda **kw: UNet(
        **{**dict(vocabulary_size=7, image_shape=(4, 3, 2), num_layers=0, feature_dim=64), **kw}
    ),
    "uvit": lambda **kw: UViT(**{**UVIT, **kw}),
}
each_network = pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)


def with_random_weights(network, scale=0.2):
    rng = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) * scale)
    return network


def random_inputs(network, batch=3):
    rng = np.random.default_rng(1)
    shape = (batch, *network.data_shape)
    inputs = {"tokens": rng.integers(0, network.vocabulary_size + 1, shape)}
    if network.time_conditioned:
        inputs["time"] = np.linspace(0.2, 0.999, batch).astype("float32")
    if network.num_classes:
        inputs["label"] = np.arange(batch) % network.num_classes
    return inputs


@each_network
@pytest.mark.parametrize("time_features", ["t", "none"])
@pytest.mark.parametrize("num_classes", [None, 3])
def test_inputs_are_those_that_the_network_asks_for(make, time_features, num_classes):
    network = make(time_features=time_features, num_classes=num_classes)
    expected = {"tokens"} | ({"time"} if time_features == "t" else set())
    expected |= {"label"} if num_classes else set()
    assert {tensor.name for tensor in network.inputs} == expected
    assert network.mask_token == network.vocabulary_size == 7
    with_random_weights(network)
    inputs = random_inputs(network)
    call = one_program(network)
    logits = array(call(inputs))
    assert logits.shape == (3, *network.data_shape, 7)
    parts = one_program(lambda x: network.head(network.features(x)), network)
    np.testing.assert_array_equal(logits, array(parts(inputs)))
    for name in expected - {"tokens"}:
        other = array(call({**inputs, name: inputs[name][::-1].copy()}))
        assert np.abs(logits - other).max() > 1e-3


@each_network
def test_a_new_network_predicts_the_uniform_distribution(make):
    network = make()
    assert not array(one_program(network)(random_inputs(network))).any()


@each_network
def test_null_label(make):
    network = make(num_classes=3, label_dropout=0.5)
    with_random_weights(network)
    inputs = random_inputs(network, batch=24)
    call, train = one_program(network), one_program(network, training=True)
    null = array(call({**inputs, "label": np.full((24,), 3)}))
    assert np.isfinite(null).all()
    assert np.abs(null - array(call(inputs))).max() > 1e-3
    first, second = (array(train(inputs)) for _ in range(2))
    assert (first != second).any()  # dropped labels are drawn anew


@each_network
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_configuration_and_weights_survive_a_round_trip(make, policy, tmp_path):
    network = make(num_classes=3, dropout=0.1, label_dropout=0.1, dtype=policy)
    with_random_weights(network)
    inputs = random_inputs(network)
    logits = array(one_program(network)(inputs))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(network)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == network.get_config()
    assert copy.compute_dtype == network.compute_dtype
    assert [v.path for v in copy.variables] == [v.path for v in network.variables]
    network.save_weights(tmp_path / "x.weights.h5")
    copy.load_weights(tmp_path / "x.weights.h5")
    np.testing.assert_array_equal(array(one_program(copy)(inputs)), logits)
    network.save(tmp_path / "x.keras")
    copy = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(array(one_program(copy)(inputs)), logits)


@each_network
def test_mixed_precision_keeps_time_and_logits_in_float32(make):
    network = with_random_weights(make(dtype="mixed_bfloat16"))
    full = make()
    full.set_weights(network.get_weights())
    inputs = random_inputs(network)
    late, end = ({**inputs, "time": np.full((3,), t, "float32")} for t in (0.999, 1.0))
    call = one_program(network)
    logits = array(call(late))
    assert logits.dtype == np.float32
    scale = np.abs(logits).max()
    assert np.abs(logits - array(call(end))).max() > 1e-2 * scale
    assert np.abs(logits - array(one_program(full)(late))).max() < 5e-2 * scale


@each_network
def test_dropout_acts_in_training_alone(make):
    network = with_random_weights(make(dropout=0.5))
    inputs = random_inputs(network)
    call, train = one_program(network), one_program(network, training=True)
    first, second = (array(train(inputs)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(array(call(inputs)), array(call(inputs)))


@each_network
@pytest.mark.parametrize(
    "arguments",
    [
        {"vocabulary_size": 0},
        {"num_layers": -1},
        {"feature_dim": 2},
        {"time_features": "x"},
        {"num_classes": 0},
        {"dropout": 1.0},
        {"label_dropout": 0.1},
        {"num_classes": 3, "label_dropout": 2},
    ],
    ids=str,
)
def test_bad_arguments_are_named(make, arguments):
    name = list(arguments)[-1]
    with pytest.raises(ValueError, match=f"Expected .*Received: .*{name}={arguments[name]!r}"):
        make(**arguments)


@each_network
def test_missing_inputs_are_named(make):
    network = make()
    with pytest.raises(ValueError, match="time"):
        network({"tokens": random_inputs(network)["tokens"]})


@each_network
def test_unknown_arguments_are_refused(make):
    with pytest.raises(TypeError, match="dropuot"):
        make(dropuot=0.1)


@pytest.mark.parametrize("name", ["unet", "uvit"])
def test_networks_without_padding_refuse_its_mask(name):
    network = SMALL[name](num_layers=1)
    inputs = random_inputs(network)
    with pytest.raises(ValueError, match="Expected inputs among .* Received: .*padding_mask"):
        network({**inputs, "padding_mask": inputs["tokens"] < 7})


@keras.saving.register_keras_serializable(package="tests")
class Mixer(Network):
    def __init__(self, vocabulary_size, sequence_length, num_layers, feature_dim, **kwargs):
        super().__init__(vocabulary_size, (sequence_length,), num_layers, feature_dim, **kwargs)

    def make_layers(self, dtype):
        self.token_embedding = self.make_token_embedding(self.feature_dim, dtype)
        self.blocks = [
            keras.layers.Dense(self.feature_dim, "gelu", dtype=dtype, name=f"block_{index}")
            for index in range(self.num_layers)
        ]
        self.head = VocabularyHead(self.vocabulary_size, name="head")

    def connect(self, tokens, conditioning):
        x = self.token_embedding(tokens) + conditioning[:, None, :]  # [B, L, feature_dim]
        for block in self.blocks:
            x = x + block(x)
        return x

    def get_config(self):
        return {**super().get_config(), "sequence_length": self.data_shape[0]}


def test_a_network_of_ones_own_is_a_few_lines(tmp_path):
    network = with_random_weights(Mixer(7, 6, 2, 8, num_classes=3, label_dropout=0.1, name="mixer"))
    inputs = random_inputs(network)
    network.save(tmp_path / "x.keras")
    copy = keras.saving.load_model(tmp_path / "x.keras")
    assert copy.get_config() == network.get_config()
    logits, copied = (array(one_program(each)(inputs)) for each in (network, copy))
    np.testing.assert_array_equal(copied, logits)
    assert network.blocks[1] in network.backbone.layers
    model = MD4(network)
    model.compile(keras.optimizers.Adam(1e-2))
    x, labels = np.full((16, 6), 2, "int32"), np.arange(16) % 3
    history = model.fit(x, labels, batch_size=8, epochs=6, verbose=0).history["bits_per_dim"]
    assert history[-1] < history[0]


def test_an_unknown_argument_is_named():
    with pytest.raises(TypeError, match="A Transformer has no argument 'heads'"):
        Transformer(5, 8, 1, 1, 8, heads=3)
