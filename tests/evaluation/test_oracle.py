"""Sources whose every probability is known, their denoisers, and samplers judged by them."""

import dataclasses
import itertools

import numpy as np
import pytest
from keras import ops

from md4keras import samplers
from md4keras.evaluation import oracle
from md4keras.evaluation.sources import Enumerable, HiddenMarkov, Markov
from tests.models.tabular import chi_square, count_states
from tests.reference import array

CYCLE = 0.75 * np.roll(np.eye(3), 1, axis=1) + 0.25 * np.eye(3)  # two of three steps are possible
POWER = (0.5, 1.0, 3.0)  # of schedules for each token value
SMALL = {
    "markov": Markov.random(3, length=4),
    "gaps in a markov chain": Markov(CYCLE, length=4),
    "hidden": HiddenMarkov.random(states=2, values=3, length=4),
    "more states than tokens": HiddenMarkov.random(states=5, values=3, length=4, seed=1),
}


def every_sequence(source, values=None):
    """All sequences of a source, or of as many `values` (with the mask)."""
    values = source.vocabulary_size if values is None else values
    each = itertools.product(range(values), repeat=source.data_shape[0])
    return np.array(list(each), "int32")


def as_table(source) -> Enumerable:
    """The same distribution, its sequences enumerated."""
    joint = np.exp(source.log_probability(every_sequence(source)))
    return Enumerable(joint.reshape((source.vocabulary_size,) * source.data_shape[0]))


def conditionals(denoiser, zt, time=0.3):
    """Probabilities of a denoiser, `[B, N, V]`."""
    inputs = {"tokens": ops.convert_to_tensor(zt)}
    if denoiser.time_conditioned:
        inputs["time"] = ops.full((len(zt),), time, dtype="float32")
    return np.exp(array(denoiser(inputs)))


def by_definition(joint, zt, weight):
    """`p(x_i | zt)` in float64 from the joint and what a mask over each value weighs, `[V]`."""
    values, count = joint.shape[0], joint.ndim
    x = np.indices(joint.shape).reshape(count, -1).T  # [V**N, N]
    masked = zt[:, None] == values  # [B, 1, N]
    agrees = (masked | (zt[:, None] == x)).all(axis=-1)  # [B, V**N]
    p = agrees * joint.ravel() * np.where(masked, weight[x], 1.0).prod(axis=-1)
    mu = np.einsum("bs,snv->bnv", p, np.eye(values)[x])
    return mu / p.sum(axis=1)[:, None, None], p.sum(axis=1) > 0


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(
    "name, power",
    [
        pytest.param("markov", None, marks=pytest.mark.slow),
        ("gaps in a markov chain", None),
        ("hidden", POWER),
        ("more states than tokens", None),
        pytest.param("more states than tokens", POWER, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_denoiser_has_the_conditionals_of_the_definition(name, power):
    """In every state, chain and table alike; where a state is impossible, all is finite."""
    source, time = SMALL[name], 0.3
    values = source.vocabulary_size
    zt = every_sequence(source, values + 1)
    weight, log_masked = np.ones(values), None
    if power is not None:
        power = np.array(power[:values], "float32")
        weight = time**power

        def log_masked(t):
            return ops.convert_to_tensor(power) * ops.expand_dims(ops.log(t), -1)

    table = as_table(source)
    wanted, possible = by_definition(table.joint, zt, weight)
    assert possible.all() == (name != "gaps in a markov chain")
    for each in (source, table):
        found = conditionals(each.denoiser(log_masked), zt, time)
        np.testing.assert_allclose(found[possible], wanted[possible], atol=1e-5)
        np.testing.assert_allclose(found[~possible].sum(axis=-1), 1.0, atol=1e-5)


def test_long_stretches_of_masks_are_bridged():
    """Of 300: between two revealed ones a power of the matrix, far from them the marginal."""
    source = Markov.random(8, length=300)
    zt = np.full((2, 300), 8, "int32")
    zt[1, [0, 20]] = 3, 5
    found = conditionals(source.denoiser(), zt)
    np.testing.assert_allclose(found[0], np.tile(source.stationary, (300, 1)), atol=1e-5)
    np.testing.assert_allclose(found[1, 299], source.stationary, atol=1e-5)
    power = np.linalg.matrix_power(source.matrix, 10)
    between = power[3] * power[:, 5]
    np.testing.assert_allclose(found[1, 10], between / between.sum(), atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_probabilities_add_up_and_entropies_and_pairs_are_those_of_the_table(name):
    source = SMALL[name]
    assert np.exp(source.log_probability(every_sequence(source))).sum() == pytest.approx(1.0)
    table = as_table(source)
    assert source.entropy().error == 0.0
    assert source.entropy().nats == pytest.approx(table.entropy().nats)
    np.testing.assert_allclose(source.neighbours(), table.neighbours(), atol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_draws_follow_the_law(name):
    """Chi-square over all sequences, 20,000 draws; one false alarm in 1000 seeds."""
    for source in (SMALL[name], as_table(SMALL[name])):
        joint, x = as_table(SMALL[name]).joint, source.draw(20_000, seed=5)
        counts = count_states(x, source.vocabulary_size)
        assert chi_square(counts, joint) > 1e-3
        assert counts[joint.ravel() == 0].sum() == 0
        np.testing.assert_array_equal(source.draw(20, seed=6), source.draw(20, seed=6))
        assert not np.array_equal(source.draw(20, seed=6), x[:20])


def test_the_entropy_of_a_long_hidden_chain_is_estimated(monkeypatch):
    """Within five standard errors of the exact value; fails by chance in 1 of a million seeds."""
    source = SMALL["hidden"]
    exact = source.entropy()
    monkeypatch.setattr("md4keras.evaluation.sources._MOST_ENUMERATED", 1)
    nats, error = source.entropy()
    assert 0.0 < error < 0.01 * exact.nats
    assert abs(nats - exact.nats) < 5 * error


@dataclasses.dataclass(frozen=True)
class Likeliest(samplers.Ancestral):
    """A user's own: draws nothing, takes the likeliest token."""

    def filter(self, logits):
        return 50.0 * super().filter(logits)


@pytest.mark.parametrize("kind", [pytest.param(Markov, marks=pytest.mark.slow), HiddenMarkov])
def test_samplers_are_compared(kind):
    """First hitting reveals one token a call, so it is exact: within 5 standard errors."""
    source = kind.random(length=8)
    chosen = {
        "exact": "first_hitting",
        "at once": "ancestral",
        "cold": ("ancestral", 0.5),
        "my own": Likeliest(),
    }
    first, *rows = oracle.compare(chosen, 2, source, num_samples=1000)
    entropy = source.entropy()
    assert first["sampler"] == oracle.THE_SOURCE
    assert (first["entropy_nats"], first["entropy_error"]) == entropy
    assert [(row["sampler"], row["steps"]) for row in rows] == [(name, 2) for name in chosen]
    exact, at_once, cold, own = rows
    assert exact["network_calls"] == 8 and at_once["network_calls"] in (2, 3)
    for row in (first, exact):
        assert abs(row["nats"] - entropy.nats) < 5 * np.hypot(row["nats_error"], entropy.error)
        assert row["pair_distance"] < 0.1
    assert at_once["nats"] > exact["nats"] + 5 * exact["nats_error"]
    assert cold["nats"] < at_once["nats"] - 5 * at_once["nats_error"]
    assert own["nats"] < cold["nats"] and own["pair_distance"] > 2 * cold["pair_distance"]
    more = {**exact, "steps": 4, "network_calls": 9, "nats": 1.0, "pair_distance": 0.5}
    table = oracle.markdown([first, *rows, more]).splitlines()
    assert table[2] == "| sampler | 2 steps | 4 steps |"
    assert table[4].startswith("| exact | ") and table[4].endswith(" (8) | 0.500, 1.0 (9) |")
    assert [line.split(" | ")[0] for line in table[4:]] == [f"| {name}" for name in chosen]


def test_samples_that_the_source_never_gives_cost_infinitely_much():
    """Neighbours drawn apart contradict each other."""
    _, row = oracle.compare("ancestral", 1, SMALL["gaps in a markov chain"], num_samples=50)
    assert row["nats"] == row["nats_error"] == np.inf and 0.0 < row["pair_distance"] < 1.0


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures():
    source, filters = Markov.random(length=6), [samplers.TopP(0.9)]
    rows = oracle.compare(filters, 2, source, num_samples=50)
    assert [row["sampler"] for row in rows[1:]] == ["TopP(p=0.9)"]
    assert rows == oracle.compare(filters, [2], source, num_samples=50)
    assert rows[1:] != oracle.compare(filters, 2, source, num_samples=50, seed=5)[1:]


def test_mistakes_are_named_before_any_work():
    source = Markov.random(length=6)
    calls = {
        "Unknown sampler": lambda: oracle.compare("fast", 2, source),
        "no samplers to compare": lambda: oracle.compare([], 2, source),
        "two of one name": lambda: oracle.compare(["event", "event"], 2, source),
        "no pair with its temperature": lambda: oracle.compare({"a": ("ancestral",)}, 4, source),
        "`steps` cannot be used": lambda: oracle.compare("event", [], source),
        "`rows` cannot be used": lambda: oracle.markdown([]),
        "num_steps=0": lambda: oracle.compare("event", [2, 0], source),
        "temperature=-1": lambda: oracle.compare({"cold": ("event", -1)}, 2, source),
        "num_samples=1": lambda: oracle.compare("event", 2, source, num_samples=1),
        "not a source": lambda: oracle.compare("event", 2, np.eye(3)),
        "sum to 1": lambda: Markov([[0.9, 0.2], [0.5, 0.5]]),
        "several stationary": lambda: Markov(np.eye(2)),
        r"\[S, S\] and \[S, V\]": lambda: HiddenMarkov(np.eye(2), np.eye(3)),
        r"\[V\] \* N": lambda: Enumerable(np.full((2, 3), 1 / 6)),
        "too many conditionals": lambda: Enumerable(np.full((4,) * 10, 4.0**-10)),
        "wrong shape": lambda: source.log_probability([[0, 1]]),
        "length=1": lambda: Markov.random(length=1),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
