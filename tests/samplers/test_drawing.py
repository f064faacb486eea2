"""The temperature is one of drawing; filters that leave nothing are an error."""

import keras
import numpy as np
import pytest

from md4keras import MD4, samplers
from md4keras.samplers import Confidence, Noise, TopK
from md4keras.samplers.drawing import draw
from md4keras.samplers.temperature import Temperature, at_temperature
from tests.models.tabular import FixedLogits, chi_square
from tests.reference import array


class ByPosition(FixedLogits):
    """Logits of each position, whatever the state."""

    def __init__(self, logits):
        super().__init__(logits[0], len(logits))
        self.logits = np.asarray(logits, "float32")


def drawn(sampler, logits, uniforms, temperature):
    """What a sampler draws in a run at a temperature."""
    noise = Noise(None, uniforms)
    tokens = at_temperature(temperature, sampler, lambda own, z: own.draw(z, noise), logits)
    return array(tokens)


@pytest.fixture(scope="module")
def model():
    return MD4(ByPosition(np.random.default_rng(0).normal(size=(6, 5)) * 2))


@pytest.mark.parametrize("rule", ["probability", "margin", "entropy"])
def test_positions_come_in_the_order_of_the_model_at_every_temperature(rule, model):
    """Margins and entropies saturate where logits are divided by 0.01; the order does not."""

    def order(temperature):
        how = {"num_steps": 6, "time_grid": "uniform", "temperature": temperature}
        states = model.sample_steps(1, sampler=Confidence(rule=rule, ties="first"), **how)
        masked = np.array([state.tokens[0] == 5 for state in states])
        return masked.sum(axis=0)  # for how long each was masked

    for temperature in (0.01, 0, 3.0):
        np.testing.assert_array_equal(order(temperature), order(1.0))
    assert sorted(order(1.0)) == list(range(1, 7))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_tokens_follow_the_logits_over_the_temperature(temperature):
    """After the filter, which sees them so; the test errs once in 1,000 seeds."""
    logits = np.array([0.0, 2.0, 1.0, -1.0], "float32")
    uniforms = np.random.default_rng(1).random((1, 8000), "float32")
    sampler, rows = samplers.Ancestral(filters=TopK(3)), np.broadcast_to(logits, (1, 8000, 4))
    tokens = drawn(sampler, rows, uniforms, temperature)
    wanted = np.exp(logits / temperature) * [1, 1, 1, 0]
    counts = np.bincount(tokens[0], minlength=4)
    assert not counts[3] and chi_square(counts[:3], wanted[:3] / wanted.sum()) > 1e-3


def test_zero_takes_the_likeliest_of_what_the_filters_leave():
    def not_two(logits):
        return logits + keras.ops.convert_to_tensor([0.0, 0.0, -1e9])

    logits = np.array([[[0.0, 1.0, 5.0], [1.0, 1.0, 0.0]]], "float32")
    sampler = samplers.Ancestral(filters=not_two)
    assert drawn(sampler, logits, np.full((1, 2), 0.99, "float32"), 0.0).tolist() == [[1, 0]]


def test_the_lowest_temperature_draws_nothing_that_was_removed():
    """Logits over 1e-4 lie below -1e7, the logit of what a filter removes, from -1,000 on."""
    logits = np.array([[[-2000.0, -2000.5, -5000.0], [3e4, 3e4 - 9, 0.0]]], "float32")
    for uniform in (0.0, 0.999):
        uniforms = np.full((1, 2), uniform, "float32")
        tokens = drawn(samplers.Ancestral(filters=TopK(2)), logits, uniforms, 1e-4)
        assert tokens.tolist() == [[0, 0]]


def test_a_temperature_of_one_leaves_every_bit():
    logits = np.random.default_rng(0).normal(size=(7, 300)).astype("float32") * 40 - 900
    np.testing.assert_array_equal(array(Temperature(1.0)(logits)), logits)


def test_where_nothing_is_left_no_token_is_drawn():
    left = np.array([[0, 0, 0], [-np.inf] * 3, [-1e7] * 3, [0, np.nan, 0]], "float32")
    left = keras.ops.convert_to_tensor(left)
    assert (array(draw(left, np.zeros(4, "float32"))) < 0).tolist() == [False, True, True, True]
    sampler = samplers.Ancestral(filters=lambda logits: logits + left)
    for temperature in (0.0, 0.5, 1.0):
        tokens = drawn(sampler, np.zeros((4, 3), "float32"), np.zeros(4, "float32"), temperature)
        assert (tokens < 0).tolist() == [False, True, True, True]


@pytest.mark.parametrize("filters", [(), TopK(2)], ids=["without", "with a filter"])
def test_a_network_that_gives_nan_is_an_error(filters):
    logits = np.zeros((6, 5))
    logits[3, 1] = np.nan
    model = MD4(ByPosition(logits))
    for sampler in (samplers.Ancestral, samplers.Event):
        with pytest.raises(
            ValueError, match=r"position \(3,\) of sample 0, or the network gave NaN"
        ):
            model.generate(1, sampler=sampler(filters=filters), num_steps=2)


def nothing_at_all(logits):
    return logits - 1e9


@pytest.mark.parametrize("sampler", ["ancestral", "confidence", "event", "remasking", "klass"])
@pytest.mark.one_backend
def test_a_filter_that_leaves_nothing_is_named(sampler, model):
    kind = type(samplers.get(sampler))
    sampler = kind(filters=nothing_at_all)
    said = r"left nothing to draw at position \(\d,\) of sample \d.*nothing_at_all.*TopP"
    for temperature in (0, 1.0):
        with pytest.raises(ValueError, match=said):
            model.generate(2, sampler=sampler, num_steps=3, temperature=temperature)
    if sampler == Confidence(filters=nothing_at_all):
        with pytest.raises(ValueError, match=said):
            list(model.sample_steps(2, sampler=sampler, num_steps=3))
        with pytest.raises(ValueError, match=said):
            model.score(np.zeros((2, 6), "int32"), sampler=sampler)


@pytest.mark.one_backend
@pytest.mark.parametrize("temperature", [-1, -1e-9, float("nan"), float("inf"), True, "1", None])
def test_what_is_no_temperature_is_refused(temperature, model):
    with pytest.raises(ValueError, match="`temperature` cannot be used.*0 takes the likeliest"):
        model.generate(1, temperature=temperature)
