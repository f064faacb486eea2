"""Tokens that are revealed by a threshold: how many at once, in which law, and with which end."""

import numpy as np
import pytest

from md4keras import MD4, samplers
from md4keras.evaluation.sources import Enumerable
from md4keras.samplers import Confidence, Threshold
from tests.models.tabular import FixedLogits, chi_square, count_states

STATES = np.indices((3,) * 4).reshape(4, -1).T.astype("int32")  # all 81


def source():
    return Enumerable.random(3, 4, seed=5)


@pytest.fixture(scope="module")
def exact():
    return MD4(source().denoiser())


@pytest.fixture(scope="module")
def model():
    """Whose conditionals agree with no distribution, so that the order matters."""
    network = Enumerable.random(3, 4).denoiser()
    network.table.assign(np.random.default_rng(0).normal(size=network.table.shape))
    return MD4(network)


def test_at_one_it_draws_one_by_one_from_the_model_itself(exact):
    """In any order: the conditionals are exact. The test errs once in 1,000 seeds."""
    drawn = exact.generate(8000, sampler=Threshold(threshold=1.0), num_steps=9, seed=2)
    assert chi_square(count_states(drawn, 3), source().joint) > 1e-3
    *_, last = exact.sample_steps(3, sampler=Threshold(threshold=1.0), num_steps=9)
    assert last.calls == 4 and not (last.tokens == 3).any()


@pytest.mark.one_backend
def test_at_zero_it_takes_all_at_once(exact):
    *_, last = exact.sample_steps(3, sampler=Threshold(threshold=0.0), num_steps=9)
    assert last.calls == 1


@pytest.mark.one_backend
def test_its_last_step_reveals_all_that_is_left(exact):
    states = list(exact.sample_steps(3, sampler=Threshold(threshold=1.0), num_steps=2))
    assert [state.calls for state in states] == [0, 1, 2]
    assert [(state.tokens == 3).sum() for state in states] == [12, 9, 0]


@pytest.mark.parametrize("num_steps", [1, 9])
def test_its_likelihood_is_known_exactly(model, num_steps):
    sampler = Threshold(threshold=0.5)
    nats, error = model.score(STATES, sampler=sampler, num_steps=num_steps)
    assert not error.any()
    np.testing.assert_allclose(np.exp(-nats).sum(), 1.0, atol=1e-5)
    drawn = model.generate(8000, sampler=sampler, num_steps=num_steps, seed=1)
    assert chi_square(count_states(drawn, 3), np.exp(-nats)) > 1e-3


@pytest.mark.one_backend
def test_of_equally_sure_positions_the_first_is_the_one():
    *states, _ = MD4(FixedLogits([0.0, 1.0, 0.5], 4)).sample_steps(2, sampler=Threshold())
    for number, state in enumerate(states):
        assert (np.flatnonzero(state.tokens[0] == 3) == np.arange(number, 4)).all()


@pytest.mark.one_backend
def test_it_is_known_by_name_and_refuses_what_is_no_probability():
    assert samplers.get("threshold") == Threshold(threshold=0.9)
    with pytest.raises(ValueError, match="threshold=1.5.*0.9 is the published"):
        Threshold(threshold=1.5)


class TestGreedy:
    """A temperature of 0."""

    @pytest.mark.parametrize("sampler", ["confidence", "threshold", "ancestral", "event"])
    @pytest.mark.one_backend
    def test_takes_the_likeliest_tokens(self, sampler):
        model = MD4(FixedLogits([0.0, 1.0, 0.9], 4))
        assert (model.generate(5, sampler=sampler, num_steps=3, temperature=0) == 1).all()

    def test_orders_positions_by_the_model_itself(self, model):
        """As at a temperature of 1, where the same first position is revealed."""
        for rule in ("probability", "margin", "entropy"):
            how = {"sampler": Confidence(rule=rule, ties="first"), "num_steps": 8}
            how["time_grid"] = "uniform"
            runs = [list(model.sample_steps(2, temperature=t, **how)) for t in (0, 1.0)]
            first = [next(s.tokens < 3 for s in run if (s.tokens < 3).any()) for run in runs]
            np.testing.assert_array_equal(*first)
            greedy, again = (model.generate(2, temperature=0, seed=seed, **how) for seed in (1, 2))
            np.testing.assert_array_equal(greedy, again)  # nothing is left to chance

    @pytest.mark.one_backend
    def test_is_a_number(self, model):
        with pytest.raises(ValueError, match="temperature=False"):
            model.generate(1, temperature=False)
