"""Tokens that are revealed by an entropy bound: how many at once, and in which law."""

import numpy as np
import pytest

from md4keras import MD4, samplers
from md4keras.evaluation.sources import Enumerable
from md4keras.samplers import EntropyBound
from tests.models.tabular import chi_square, count_states
from tests.reference import array

STATES = np.indices((3,) * 4).reshape(4, -1).T.astype("int32")  # all 81


def source():
    return Enumerable.random(3, 4, seed=5)


@pytest.fixture(scope="module")
def model():
    """Whose conditionals agree with no distribution, so that the order matters."""
    network = Enumerable.random(3, 4).denoiser()
    network.table.assign(np.random.default_rng(0).normal(size=network.table.shape))
    return MD4(network)


def test_it_reveals_the_largest_set_within_the_bound():
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(40, 7, 5)).astype("float32") * rng.uniform(0.5, 8, (40, 7, 1))
    zt = np.where(rng.random((40, 7)) < 0.8, 5, 1).astype("int32")
    zt[:, 2] = 5
    sampler = EntropyBound(gamma=0.4)
    stays = array(sampler.step_probabilities(logits.astype("float32"), zt, 0.5, 1.0, None))[..., -1]
    revealed = (zt == 5) & (stays == 0.0)
    mu = np.exp(logits - logits.max(axis=-1, keepdims=True))
    mu /= mu.sum(axis=-1, keepdims=True)
    entropy = -(mu * np.log(mu)).sum(axis=-1)
    sizes = set()
    for row, masked, chosen in zip(entropy, zt == 5, revealed, strict=True):
        order = np.sort(row[masked])
        lost = np.cumsum(order) - order  # the sum without the largest
        wanted = int((lost <= 0.4).sum())
        assert chosen.sum() == wanted and row[chosen].max() <= order[wanted - 1] + 1e-6
        sizes.add(wanted)
    assert len(sizes) > 2


def test_at_zero_it_draws_one_by_one_from_the_model_itself():
    """In any order: the conditionals are exact. The test errs once in 1,000 seeds."""
    exact = MD4(source().denoiser())
    drawn = exact.generate(8000, sampler=EntropyBound(gamma=0.0), num_steps=9, seed=2)
    assert chi_square(count_states(drawn, 3), source().joint) > 1e-3
    *_, last = exact.sample_steps(8000, sampler=EntropyBound(gamma=0.0), num_steps=9, seed=2)
    assert last.calls == 4
    np.testing.assert_array_equal(last.tokens, drawn)


def test_its_likelihood_is_known_exactly(model):
    how = {"sampler": EntropyBound(gamma=0.8), "num_steps": 9}
    nats, error = model.score(STATES, **how)
    assert not error.any()
    np.testing.assert_allclose(np.exp(-nats).sum(), 1.0, atol=1e-5)
    drawn = model.generate(8000, **how, seed=1)
    assert chi_square(count_states(drawn, 3), np.exp(-nats)) > 1e-3


@pytest.mark.one_backend
def test_it_ends_when_nothing_is_masked_and_at_its_last_step(model):
    def left(gamma, num_steps):
        how = {"sampler": EntropyBound(gamma=gamma), "num_steps": num_steps}
        return [(state.tokens == 3).sum() for state in model.sample_steps(3, **how)]

    assert left(1e9, 9) == [12, 0]
    assert left(0.0, 2) == [12, 9, 0]
    assert left(0.0, 9) == [12, 9, 6, 3, 0]


@pytest.mark.one_backend
def test_it_is_known_by_name_and_refuses_a_negative_bound():
    assert samplers.get("entropy_bound") == EntropyBound(gamma=0.1)
    for gamma in (-1.0, float("nan"), "much"):
        with pytest.raises(ValueError, match="`gamma`.*at least 0.*0.1 nats"):
            EntropyBound(gamma=gamma)
