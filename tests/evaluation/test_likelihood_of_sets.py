"""The likelihood of a set: errors that are what they say, and figures that nothing else changes."""

import numpy as np
import pytest

from md4keras import MD4, GenMD4, backend, evaluation
from md4keras.evaluation import Estimate, Nelbo
from md4keras.evaluation.sources import Enumerable
from md4keras.networks import Transformer, UNet
from md4keras.schedules import Cosine
from tests.models.tabular import true_posterior
from tests.models.weights import randomised

X = np.random.default_rng(1).integers(0, 5, (13, 8))


@pytest.fixture(scope="module")
def model():
    return randomised(MD4(Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)))


@pytest.mark.one_backend
def test_intervals_cover_the_truth_as_often_as_they_say():
    """In 200 repetitions 190 are expected; 180 to 199 hold in all but 2 of 1,000 seeds."""
    source = Enumerable.random(3, 4)
    model, truth = MD4(source.denoiser()), source.entropy().nats / 4
    covered = covered_by_draws = 0
    for seed in range(200):
        x = source.draw(60, seed)
        found = evaluation.likelihood(model, x, seed=seed, batch_size=960).nats_per_dim
        low, high = found.interval()
        covered += low <= truth <= high
        of_these = -source.log_probability(x).mean() / 4
        covered_by_draws += abs(found.value - of_these) < 1.96 * found.error_of_draws
    assert 180 <= covered <= 199 and 180 <= covered_by_draws <= 200


# From JAX; `test_the_same_figures_on_every_backend` holds the others to them.
FIGURES = {
    "MD4": (2.91845282, 0.18821912, 0.08876782),
    "GenMD4": (2.91993509, 0.18679092, 0.08893924),
}


@pytest.mark.parametrize("cls", [MD4, GenMD4])
def test_the_same_figures_on_every_backend(cls):
    model = randomised(cls(Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)))
    found = evaluation.likelihood(model, X).nats_per_dim
    figures = found.value, found.error, found.error_of_draws
    np.testing.assert_allclose(figures, FIGURES[cls.__name__], rtol=1e-5)


@pytest.mark.one_backend
def test_intervals_of_words_cover_their_truth_too():
    """200 draws of 300 texts of different lengths and words, whose cost goes with the tokens."""
    rng, covered = np.random.default_rng(0), np.zeros(2, int)
    true_bits, true_perplexity = 6 * 2.0 / 2.5, np.exp(6 * 2.0 / 2.5 * np.log(2))
    for _ in range(200):
        tokens, words = rng.integers(4, 9, 300), rng.integers(1, 5, 300)
        bits = tokens * 2.0 + rng.normal(size=300)
        found = nelbo_of(bits * np.log(2), tokens)
        low, high = found.bits_per(words).interval()
        covered[0] += low <= true_bits <= high
        low, high = found.perplexity_per(words).interval()
        covered[1] += low <= true_perplexity <= high
    assert (180 <= covered).all() and (covered <= 199).all()


def nelbo_of(nats, sizes):
    return Nelbo(nats, np.zeros(len(nats)), sizes, 16, 0, None, None, None)


@pytest.mark.one_backend
def test_intervals_of_few_examples_and_of_exponentials():
    few = nelbo_of(np.array([1.0, 9.0]), np.array([2, 2])).perplexity
    low, high = few.interval()
    assert 0 < low < few.value < high and few.logarithm.value == 2.5
    assert nelbo_of(np.array([9000.0]), np.array([2])).perplexity.as_dict("it")["it"] is None
    one = Estimate(2.0, 0.1, 0.1, freedom=8)
    assert one.error_of_data == 0 and Estimate(2.0, 0.5, 0.3, 8).error_of_data == 0.4
    for level in (95, 0, 1):
        with pytest.raises(ValueError, match="`level`"):
            one.interval(level)
    with pytest.raises(ValueError, match="no other unit"):
        few.times(2.0)


@pytest.mark.one_backend
def test_the_same_digits_at_every_batch_size_and_in_all_parts(model):
    whole = evaluation.likelihood(model, X)
    for batch_size in (1, 7):
        check_alike(evaluation.likelihood(model, X, batch_size=batch_size), whole)
    check_alike(evaluation.likelihood(model, iter([X[:5], X[:0], X[5:6], X[6:]])), whole)
    check_alike(evaluation.likelihood(model, list(X)), whole)
    check_alike(evaluation.likelihood(model, [(X[:5],), {"tokens": X[5:]}]), whole)
    check_alike(evaluation.likelihood(model, [X[:5], X[5:]]), whole)
    np.testing.assert_allclose(model.score(X, num_samples=16)[0], whole.nats, rtol=1e-6)
    other = evaluation.likelihood(model, X, seed=1).nats_per_dim
    assert abs(other.value - whole.nats_per_dim.value) > 1e-4


def check_alike(found, other):
    for name in ("nats_per_dim", "bits_per_dim", "perplexity"):
        mine, its = getattr(found, name).as_dict("it"), getattr(other, name).as_dict("it")
        for key, value in mine.items():
            np.testing.assert_allclose(value, its[key], rtol=2e-6, err_msg=f"{name} {key}")


@pytest.mark.one_backend
@pytest.mark.parametrize("schedule", ["linear", Cosine()])
def test_the_curve_has_the_bound_as_its_integral(schedule):
    network = Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)
    model = randomised(MD4(network, schedule=schedule))
    found = evaluation.likelihood(model, X, num_draws=64)
    curve = found.curve
    assert (np.diff(curve.time) > 0).all() and (curve.error > 0).all()
    integral = (curve.nats_per_dim * curve.width).sum()
    np.testing.assert_allclose(integral, found.nats_per_dim.value, rtol=1e-5)
    np.testing.assert_allclose(curve.width.sum(), 1.0, rtol=0.03)


@pytest.mark.parametrize("cls", [MD4, GenMD4])
def test_tables_add_up_to_the_bound(cls):
    model = randomised(cls(Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)))
    texts = [X[0], X[1, :5], X[2, :3]]
    found = evaluation.likelihood(model, texts, tables=True)
    plain = evaluation.likelihood(model, texts)
    np.testing.assert_allclose(found.nats, plain.nats, rtol=1e-5)
    tables, total = found.tables, found.nats.sum()
    assert tables.position_count[:8].tolist() == [3, 3, 3, 2, 2, 1, 1, 1]
    assert tables.token_count.tolist() == np.bincount(np.concatenate(texts), minlength=5).tolist()
    for nats, count in tables[:2] if isinstance(tables, tuple) else pairs(tables):
        np.testing.assert_allclose(np.nansum(nats * count), total, rtol=1e-5)


def pairs(tables):
    yield tables.position_nats, tables.position_count
    yield tables.token_nats, tables.token_count


@pytest.mark.one_backend
def test_tables_of_images_have_their_shape():
    model = randomised(MD4(UNet(3, (4, 4, 1), num_layers=0, feature_dim=64, num_classes=2)))
    x, labels = np.random.default_rng(0).integers(0, 3, (5, 4, 4, 1)), np.arange(5) % 2
    found = evaluation.likelihood(model, (x, labels), num_draws=4, tables=True)
    assert found.tables.position_nats.shape == (4, 4, 1)
    again = evaluation.likelihood(model, [(x, labels)], num_draws=4)
    np.testing.assert_allclose(again.nats, found.nats, rtol=1e-5)
    np.testing.assert_allclose(np.mean(found.tables.position_nats), found.nats_per_dim.value)


@pytest.mark.one_backend
def test_any_number_of_steps():
    """True conditionals: one step has the bound of independent marginals, many the entropy."""
    source = Enumerable.random(3, 4)
    x, model, joint = source.draw(400), MD4(source.denoiser()), source.joint

    def bound(timesteps):
        found = evaluation.likelihood(model, x, batch_size=6400, timesteps=timesteps)
        assert found.timesteps == timesteps
        return found.nats_per_dim

    marginals = [joint.sum(axis=tuple({0, 1, 2, 3} - {place})) for place in range(4)]
    costs = [-np.log(marginals[place][x[:, place]]) for place in range(4)]
    np.testing.assert_allclose(bound(1).value, np.mean(costs), rtol=1e-3)
    coarse, fine, limit = bound(4), bound(256), bound(None)
    assert coarse.value > fine.value + 0.01
    exact = -source.log_probability(x).mean() / 4
    for each in (fine, limit):
        assert abs(each.value - exact) < 4 * each.error_of_draws + 0.01
    discrete = MD4(model.network, timesteps=4)
    assert evaluation.likelihood(discrete, x[:9]).timesteps == 4  # its own


@pytest.mark.one_backend
def test_any_number_of_steps_of_a_learned_schedule():
    """The exact posterior: one step has the divergence by definition, many the continuous bound."""
    source, power = Enumerable.random(3, 4), np.array([0.5, 1.0, 2.0])
    model = GenMD4(true_posterior(source.joint, power), eps=0.0)
    model.schedule.theta.assign(np.log(np.expm1(power)))
    x = source.draw(400)

    def bound(timesteps, num_draws=16):
        how = {"batch_size": 6400, "timesteps": timesteps, "num_draws": num_draws}
        return evaluation.likelihood(model, x, **how).nats_per_dim

    mu = [source.joint.sum(axis=tuple({0, 1, 2, 3} - {place})) for place in range(4)]
    stay = 1e-3**power  # all is masked at time 1, and t1 is 1e-3
    costs = [
        (1 - stay[v]) * -np.log(mu[i][v]) + stay[v] * np.log(stay[v] / (mu[i] @ stay))
        for i in range(4)
        for v in x[:, i]
    ]
    reconstruction = float(np.mean(model.reconstruction_loss(x))) / 4
    np.testing.assert_allclose(bound(1).value, np.mean(costs) + reconstruction, rtol=1e-4)
    coarse, fine, limit = bound(4), bound(512, 32), bound(None, 32)
    assert coarse.value > limit.value + 0.01
    assert abs(fine.value - limit.value) < 4 * (fine.error_of_draws + limit.error_of_draws) + 0.01


@pytest.mark.one_backend
def test_words_and_characters(model):
    found = evaluation.likelihood(model, X)
    total = found.nats.sum()
    np.testing.assert_allclose(found.nats_per(26).value, total / 26)
    np.testing.assert_allclose(found.nats_per(np.full(13, 2)).value, total / 26)
    for counts in (np.zeros(13), np.full(12, 2), -np.ones(13), "many"):
        with pytest.raises(ValueError, match="counts"):
            found.nats_per(counts)
    np.testing.assert_allclose(found.bits_per(26).value, total / 26 / np.log(2))
    np.testing.assert_allclose(found.perplexity_per(26).value, np.exp(total / 26))
    per_word = found.nats_per(26)
    np.testing.assert_allclose(
        per_word.error / per_word.value, found.nats_per_dim.error / found.nats_per_dim.value
    )


@pytest.mark.one_backend
def test_many_lengths_keep_few_programs(monkeypatch):
    """Of sixty lengths; twelve sizes, most of them with and without padding."""
    compiled = []

    def compile_function(model, function):
        def counted(draws):
            compiled.append(draws.batch.x.shape)
            return np.zeros(len(draws.example))

        return counted

    monkeypatch.setattr(backend, "compile_function", compile_function)
    model = MD4(Transformer(5, 64, num_layers=0, num_heads=1, feature_dim=4))
    for length in range(1, 61):
        model.score(np.zeros((1, length), "int32"), num_samples=2, batch_size=2)
    assert len(compiled) == 60 and len(set(compiled)) <= 12
    assert len(model._functions) <= 20


@pytest.mark.one_backend
def test_mistakes(model):
    for nothing in (np.zeros((0, 8), "int32"), [], iter([])):
        with pytest.raises(ValueError, match="nothing to measure"):
            evaluation.likelihood(model, nothing)
    with pytest.raises(ValueError, match="two draws"):
        evaluation.likelihood(model, X, num_draws=1)
    with pytest.raises(ValueError, match="`timesteps`"):
        evaluation.likelihood(model, X, timesteps=0)
    for data in (None, 5, "text"):
        with pytest.raises(ValueError, match="no data"):
            evaluation.likelihood(model, data)
    with pytest.raises(ValueError, match="a model"):
        evaluation.likelihood("model", X)
    with pytest.raises(ValueError, match="weights"):
        evaluation.likelihood(model, (X, None, np.ones(13)))

    class Own(MD4):
        def masking_weight(self, t):
            return 3.0 * super().masking_weight(t)

    with pytest.raises(ValueError, match="cannot be chosen"):
        evaluation.likelihood(Own(model.network), X, timesteps=4)
    labelled = MD4(UNet(3, (4, 4, 1), num_layers=0, feature_dim=64, num_classes=2))
    with pytest.raises(ValueError, match="labels"):
        evaluation.likelihood(labelled, np.zeros((2, 4, 4, 1), "int32"))
    broken = randomised(MD4(Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)))
    broken.network.trainable_variables[0].assign(
        np.full(broken.network.trainable_variables[0].shape, np.nan)
    )
    with pytest.raises(ValueError, match="not finite"):
        evaluation.likelihood(broken, X)


@pytest.mark.one_backend
def test_costs_of_ones_own_are_what_is_measured():
    """Not those that head and loss in one pass compute, whatever the network."""

    class Half(MD4):
        def masked_costs(self, logits, x, zt):
            return 0.5 * super().masked_costs(logits, x, zt)

    model = MD4(Transformer(5, 8, num_layers=0, num_heads=2, feature_dim=8))
    whole = evaluation.likelihood(model, X, num_draws=2).nats
    half = evaluation.likelihood(Half(model.network), X, num_draws=2).nats
    np.testing.assert_allclose(half, 0.5 * whole, rtol=1e-2)  # all but the reconstruction term
