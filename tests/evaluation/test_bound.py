"""Objectives that are bounds pass, and those that are none are caught.

Every check is seeded; by `check_bound`'s own account a true bound fails in fewer than 1 of 10,000
seeds.
"""

import functools

import numpy as np
import pytest

from md4keras import MD4, GenMD4, losses, networks
from md4keras.evaluation import bound
from md4keras.evaluation.bound import check_bound
from md4keras.evaluation.sources import Enumerable, HiddenMarkov
from tests.models.tabular import true_posterior

pytestmark = pytest.mark.one_backend

COIN = {"a coin told twice": Enumerable(np.eye(2) / 2)}  # 1 bit in two sub-tokens
FEW = {name: bound.standard_sources()[name] for name in ("pairs", "random")}
BIT = np.log(2)


def masked_apart(x, denoiser, rng):
    """A masking of each position on its own at uniform times: `z` and the times `[B, 1]`."""
    t = 1.0 - rng.random((len(x), 1))
    return np.where(rng.random(x.shape) < t, denoiser.mask_token, x), t


def costs(x, z, denoiser):
    """`-log p(x_i | z)`, `[B, N]`; 0 where `z` reveals it."""
    return -np.take_along_axis(denoiser(z), x[..., None], axis=-1)[..., 0]


def right(x, denoiser, rng):
    """MD4's objective under the linear schedule, written without the library."""
    z, t = masked_apart(x, denoiser, rng)
    return (costs(x, z, denoiser) / t).sum(axis=1)


def tokens_of_sub_tokens(x, denoiser, rng):
    """Wrong: two sub-tokens of a token are masked apart, each scored given the other.

    The token's own cost, `-log p(a | z) - log p(b | z, a)`, at the weight of one masked position.
    Where one sub-token is masked it may cost nothing; where both are, the token is counted once
    and not twice.
    """
    z, t = masked_apart(x, denoiser, rng)
    first = z.copy()
    first[:, ::2] = x[:, ::2]
    nats = costs(x, z, denoiser)[:, ::2] + costs(x, first, denoiser)[:, 1::2]
    return (nats / t).sum(axis=1)


def given_all_others(x, denoiser, rng):
    """Wrong: the pseudo-likelihood, each position scored given all others."""
    total = np.zeros(len(x))
    for position in range(x.shape[1]):
        z = x.copy()
        z[:, position] = denoiser.mask_token
        total += costs(x, z, denoiser)[:, position]
    return total


def test_the_wrong_objective_finds_half_of_the_entropy_and_is_caught():
    """0.5 bit where 1 bit is the entropy, within five standard errors."""
    (finding,) = check_bound(tokens_of_sub_tokens, COIN).findings
    assert finding.entropy == pytest.approx(BIT)
    assert abs(finding.loss - 0.5 * BIT) < 5 * finding.error and finding.error < 0.01
    assert not finding.holds
    report = check_bound(tokens_of_sub_tokens)
    failed = {each.source for each in report.findings if not each.holds}
    assert failed == {"pairs", "checksum", "random"}  # where tokens are independent it is right
    assert not report.holds and str(report).count("NO") == 3
    with pytest.raises(ValueError, match=r"no bound.*2\.1972 nats on 'pairs'.*by objective"):
        report.raise_if_not()


def test_the_right_objective_passes_on_the_same_distributions():
    assert check_bound(right, COIN).holds
    report = check_bound(right)
    assert report.raise_if_not() is report and "NO" not in str(report)
    for each in report.findings:  # exact conditionals: it is the entropy itself
        assert abs(each.gap) < each.resolution < 0.05 * each.entropy + 0.05


def test_the_pseudo_likelihood_is_caught():
    """Of a checksum each position follows from the others: nothing costs anything."""
    sources = {name: bound.standard_sources()[name] for name in ("independent", "checksum")}
    independent, checksum = check_bound(given_all_others, sources, num_draws=1024).findings
    assert checksum.loss == pytest.approx(0.0, abs=1e-5)
    assert independent.holds and not checksum.holds


def unequal(network):
    """GenMD4 whose values are masked early and late."""
    model = GenMD4(network)
    model.schedule.theta.assign(np.linspace(-0.6, 1.3, network.vocabulary_size))
    return model


MODELS = {
    "MD4": MD4,
    "one step": functools.partial(MD4, timesteps=1),
    "GenMD4, unequal": unequal,
    "4 steps": functools.partial(MD4, timesteps=4),
    "64 steps": functools.partial(MD4, timesteps=64),
    "cosine": functools.partial(MD4, schedule="cosine"),
    "cosine, 8 steps": functools.partial(MD4, schedule="cosine", timesteps=8),
    "poly0.5": functools.partial(MD4, schedule="poly0.5"),
    "poly2": lambda network: MD4(network, "poly2", time_sampling="independent"),
    "GenMD4": GenMD4,
    "GenMD4, power 3": functools.partial(GenMD4, power_init=3.0),
}
QUICK = ("MD4", "GenMD4, unequal")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n == "MD4" else pytest.mark.slow) for n in MODELS]
)
def test_our_models_are_bounds(name):
    few = dict(sources={"random": FEW["random"]}, num_draws=2**13)
    report = check_bound(MODELS[name], **(few if name in QUICK else {}))
    assert [each.measured_by for each in report.findings[:2]] == ["fit", "evaluate"]
    assert report.holds, str(report)
    for each in report.findings:
        if "step" not in name:  # continuous time: what is left is the end of the schedule
            assert abs(each.gap) < each.resolution + 0.02 * each.entropy, str(report)
    if name == "one step":  # all tokens at once, each on its own
        by_name = {each.source: each for each in report.findings if each.measured_by == "evaluate"}
        apart = 4 * np.log(3) - by_name["pairs"].entropy
        assert by_name["pairs"].gap == pytest.approx(apart, abs=5 * by_name["pairs"].error + 1e-2)


@pytest.mark.slow
def test_genmd4_gets_the_posterior_of_its_own_schedule():
    """What the masks tell is in its denoiser, which differs from the plain conditionals."""
    source = FEW["random"]
    model = bound._with_exact_denoiser(unequal, source)
    power = np.logaddexp(0.0, np.linspace(-0.6, 1.3, 3))
    zt = np.array([[3, 3, 0, 3], [3, 1, 2, 2]])
    wanted = unequal(true_posterior(source.joint, power)).predict_logits(zt, 0.4)
    found = model.predict_logits(zt, 0.4)
    np.testing.assert_allclose(np.exp(found), np.exp(wanted), atol=1e-5)
    plain = unequal(source.denoiser()).predict_logits(zt, 0.4)
    assert np.abs(np.exp(found) - np.exp(plain)).max() > 0.02


class LightWeight(MD4):
    """Wrong in `fit` alone: its masked tokens count four fifths."""

    def masking_weight(self, t):
        return 0.8 * super().masking_weight(t)


class LightEvaluation(MD4):
    """Wrong in `evaluate` and `score` alone, in the same way."""

    def stratified_loss(self, batch, fraction, noise):
        return 0.8 * super().stratified_loss(batch, fraction, noise)


@pytest.mark.parametrize("kind, wrong", [(LightWeight, "fit"), (LightEvaluation, "evaluate")])
def test_a_users_model_is_caught_where_it_is_wrong(kind, wrong):
    report = check_bound(kind, {"random": FEW["random"]}, num_draws=2**13)
    assert [each.measured_by for each in report.findings if not each.holds] == [wrong]
    with pytest.raises(ValueError, match=f"measured by {wrong}"):
        report.raise_if_not()


@pytest.mark.slow
def test_other_sources_and_seeds():
    """A hidden chain too long to list; the same seed gives the same report."""
    chain = {"chain": HiddenMarkov.random(length=8)}
    reports = [check_bound(right, chain, num_draws=2**10, seed=seed) for seed in (0, 0, 1)]
    assert reports[0].holds and reports[0] == reports[1] != reports[2]


def test_mistakes_are_named():
    calls = {
        "This is no objective": lambda: check_bound(losses.cross_entropy),
        "Received: 3 with arguments": lambda: check_bound(3),
        "built-in function max> with arguments": lambda: check_bound(max),
        "'int'> without all of": lambda: check_bound(int),
        "Transformer'> without all of": lambda: check_bound(networks.Transformer),
        r"shape=\(\), two nats": lambda: check_bound(
            lambda x, denoiser, rng: "two nats", COIN, num_draws=128
        ),
        "not a model": lambda: check_bound(lambda network: network),
        "num_draws=100": lambda: check_bound(right, num_draws=100),
        "have names": lambda: check_bound(right, COIN["a coin told twice"]),
        "not a source": lambda: check_bound(right, {"mine": np.eye(2)}),
        r"shape \(2,\)": lambda: check_bound(lambda x, denoiser, rng: x, COIN, num_draws=128),
        "finite": lambda: check_bound(
            lambda x, denoiser, rng: np.full(len(x), np.inf), COIN, num_draws=128
        ),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
