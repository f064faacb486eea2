"""Tokens that are revealed where the network is sure and stays sure: memory, law, end."""

import keras
import numpy as np
import pytest

from md4keras import MD4, samplers
from md4keras.evaluation.sources import Enumerable
from md4keras.samplers import Klass, Memory, Stability, Threshold
from tests.models.tabular import FixedLogits, chi_square, count_states
from tests.reference import array

STATES = np.indices((3,) * 4).reshape(4, -1).T.astype("int32")  # all 81
SURE = 9.0


@pytest.fixture(scope="module")
def model():
    """Whose conditionals agree with no distribution, so that the order matters."""
    network = Enumerable.random(3, 4).denoiser()
    network.table.assign(np.random.default_rng(0).normal(size=network.table.shape))
    return MD4(network)


def test_at_one_its_law_is_that_of_one_by_one(model):
    """The surest first, which has an exact likelihood. The test errs once in 1,000 seeds."""
    sampler = Klass(threshold=1.0)
    drawn = model.generate(8000, sampler=sampler, num_steps=9, seed=3)
    nats, _ = model.score(STATES, sampler=Threshold(threshold=1.0), num_steps=9)
    assert chi_square(count_states(drawn, 3), np.exp(-nats)) > 1e-3
    *_, last = model.sample_steps(8000, sampler=sampler, num_steps=9, seed=3)
    assert last.calls == 4
    np.testing.assert_array_equal(last.tokens, drawn)


def test_the_compiled_run_remembers_as_the_stepwise_one(model):
    how = {"sampler": Klass(threshold=0.5, divergence=0.5, history=1), "num_steps": 9, "seed": 4}
    *_, last = model.sample_steps(200, **how)
    np.testing.assert_array_equal(model.generate(200, **how), last.tokens)


def a_step(sampler, logits, zt, remembered):
    logits, zt, given = map(keras.ops.convert_to_tensor, (logits, zt, zt != 3))
    noise = [keras.ops.zeros(zt.shape)] * 2
    memory = Memory(given, remembered)
    return sampler.step(logits, zt, 0.5, keras.ops.ones((1,)), None, noise, memory)


@pytest.mark.parametrize("history", [1, 2])
def test_sure_positions_wait_until_they_are_stable(history):
    """One at a time at first; all that is sure after `history` calls that agree."""
    sampler = Klass(threshold=0.8, history=history)
    logits = np.zeros((1, 8, 3), "float32")
    logits[0, :7, 1] = SURE  # the last position is not sure
    zt = np.full((1, 8), 3, "int32")
    remembered = sampler.first_memory(zt, 3)
    for call in range(history + 1):
        zt, remembered = a_step(sampler, logits, zt, remembered)
        zt = array(zt)
        assert (zt == 3).sum() == (7 - call if call < history else 1)
        assert isinstance(remembered, Stability)
        np.testing.assert_allclose(array(remembered.calls), call)
    np.testing.assert_allclose(array(remembered.mu).sum(axis=-1), 1.0, rtol=1e-5)
    moved = np.roll(logits, 1, axis=-1)
    _, remembered = a_step(sampler, moved, zt, remembered)
    assert (array(remembered.calls)[0] == [0] * 7 + [history + 1]).all()  # what changed, waits


@pytest.mark.one_backend
def test_it_takes_fewer_calls_where_the_network_is_sure():
    model = MD4(FixedLogits([0.0, SURE, 0.0], 12))
    *_, last = model.sample_steps(2, sampler="klass", num_steps=20)
    assert last.calls == 3  # two of one position each, then the rest
    *_, last = model.sample_steps(2, sampler="klass", num_steps=2)
    assert last.calls == 2 and last.tokens.max() < 3


@pytest.mark.one_backend
def test_what_it_cannot_do_is_refused_by_name(model):
    assert samplers.get("klass") == Klass(threshold=0.9, divergence=0.01, history=2)
    with pytest.raises(ValueError, match="do not depend on the state alone.*sampler=Klass"):
        model.score(STATES, sampler="klass")
    with pytest.raises(ValueError, match="Received: Klass.*Take 'threshold'"):
        Klass().step_probabilities(np.zeros((1, 4, 3), "f4"), STATES[:1], 0.5, 1.0, None)
    for wrong in ({"threshold": 1.5}, {"divergence": 0.0}, {"history": 0}, {"history": 1.5}):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"`{name}` cannot be used.*published value"):
            Klass(**wrong)
