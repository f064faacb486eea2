"""Two bounds round a known likelihood."""

import itertools

import numpy as np
import pytest
from scipy import stats

from md4keras import MD4, GenMD4
from md4keras.evaluation.sources import Enumerable
from md4keras.networks import Transformer
from tests.models.tabular import true_posterior
from tests.models.weights import randomised

STATES = np.indices((3,) * 4).reshape(4, -1).T.astype("int32")  # all 81
ERRS = 7e-6  # of a bound, so that of 1,000 cases with two each, one would be off in 70 seeds


def model_of(seed, scale):
    """Conditionals that agree with no distribution, off those of one by random logits."""
    network = Enumerable.random(3, 4, seed).denoiser()
    table = np.asarray(network.table.value)
    noise = scale * np.random.default_rng(seed).normal(size=table.shape)
    network.table.assign(np.maximum(table, -20.0) + noise)
    return MD4(network)


def log_probability(model, x):
    """`log p(x)` for positions in the order of chance, over all 24 orders; and the mean log."""
    logits = np.asarray(model.network.table.value, "float64").reshape((4,) * 4 + (4, 3))
    log_mu = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    logs = []
    for order in itertools.permutations(range(4)):
        z, log = np.full(x.shape, 3), np.zeros(len(x))
        for place in order:
            log += log_mu[tuple(z.T)][np.arange(len(x)), place, x[:, place]]
            z[:, place] = x[:, place]
        logs.append(log)
    return np.log(np.mean(np.exp(logs), axis=0)), np.mean(logs, axis=0)


@pytest.mark.one_backend
@pytest.mark.parametrize("num_samples", [16, 64])
def test_the_truth_lies_between_them_in_a_thousand_cases(num_samples):
    cases = wide = 0
    most = stats.t.isf(ERRS / 2, num_samples - 1)  # standard errors
    for seed, scale in enumerate((0.05, 0.2, 0.3, 0.5, 1.0) * 3):
        model = model_of(seed, scale)
        exact, mean_log = log_probability(model, STATES)
        found = model.score(
            STATES, bracket=True, num_samples=num_samples, seed=seed, batch_size=5184
        )
        assert (-found.upper - most * found.upper_error <= exact + 1e-6).all()
        assert (np.abs(found.upper + mean_log) < most * found.upper_error + 1e-5).all()
        told = ~found.wide
        above = -found.lower + most * found.lower_error >= exact - 1e-6
        assert above[told].all()
        assert (found.lower - most * found.lower_error <= found.upper + most * found.upper_error)[
            told
        ].all()
        cases += told.sum()
        wide += found.wide.sum()
    assert cases >= 800 and wide > 0  # of 1,215


def test_conditionals_of_one_distribution_need_no_bracket():
    """In whatever order, they multiply to `p(x)`."""
    source = Enumerable.random(3, 4)
    found = MD4(source.denoiser()).score(STATES, bracket=True, num_samples=16)
    exact = -source.log_probability(STATES)
    np.testing.assert_allclose(found.upper, exact, atol=1e-5)
    np.testing.assert_allclose(found.lower, exact, atol=1e-5)
    assert (found.upper_error < 1e-4).all() and (found.lower_error < 1e-4).all()
    assert not found.wide.any()


@pytest.mark.one_backend
def test_what_is_given_is_a_condition():
    source = Enumerable.random(3, 4)
    given = np.array([True, False, True, False])
    found = MD4(source.denoiser()).score(STATES, given=given, bracket=True, num_samples=16)
    known = source.joint.sum(axis=(1, 3))[STATES[:, 0], STATES[:, 2]]
    exact = np.log(known) - source.log_probability(STATES)
    np.testing.assert_allclose(found.upper, exact, atol=1e-5)


@pytest.mark.one_backend
def test_neither_padding_nor_batches_change_them():
    model = randomised(MD4(Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)))
    texts = [np.random.default_rng(n).integers(0, 5, n) for n in (3, 8, 5)]
    how = {"bracket": True, "num_samples": 16}
    together = model.score(texts, **how)
    again = model.score(texts, batch_size=7, **how)
    np.testing.assert_allclose(together.upper, again.upper, rtol=1e-5)
    np.testing.assert_allclose(together.lower, again.lower, rtol=1e-4)
    alone = model.score(texts[0][None], **how)
    np.testing.assert_allclose(together.upper[0], alone.upper[0], rtol=1e-5)


@pytest.mark.one_backend
def test_a_bound_that_means_nothing_is_marked():
    """A random network on 32 positions: the orders disagree by many nats."""
    network = Transformer(5, 32, num_layers=1, num_heads=2, feature_dim=8)
    model = randomised(MD4(network))
    x = np.random.default_rng(0).integers(0, 5, (2, 32))
    found = model.score(x, bracket=True, num_samples=16)
    assert found.wide.all() and np.isfinite(found.upper).all()


@pytest.mark.one_backend
def test_mistakes():
    model = MD4(Enumerable.random(3, 4).denoiser())
    with pytest.raises(ValueError, match="two halves"):
        model.score(STATES, bracket=True, num_samples=8)
    power = np.array([0.5, 1.0, 2.0])
    with pytest.raises(ValueError, match="one schedule for all"):
        GenMD4(true_posterior(Enumerable.random(3, 4).joint, power)).score(STATES, bracket=True)
    with pytest.raises(ValueError, match="discrete steps"):
        MD4(model.network, timesteps=4).score(STATES, bracket=True)
