"""Every sampler with a model: distribution, drivers, seeds, infilling, guidance, errors."""

import numpy as np
import pytest
from scipy import stats

from md4keras import MD4, GenMD4, samplers, schedules
from md4keras.evaluation.sources import Enumerable
from md4keras.networks import Transformer
from tests.models.tabular import FixedLogits, chi_square, count_states, true_posterior
from tests.models.weights import randomised
from tests.reference import array

VALUES, COUNT = 3, 4
NAMES = ("ancestral", "top_p", "event", "first_hitting", "confidence", "remasking")


def text_model(kind=MD4, **network):
    return randomised(kind(Transformer(5, 12, num_layers=1, num_heads=2, feature_dim=8, **network)))


def trajectory(steps):
    """Every state of a run, `[steps + 1, B, *data_shape]`."""
    return np.stack([state.tokens for state in steps])


@pytest.fixture(scope="module")
def joint():
    return Enumerable.random(VALUES, COUNT).joint


@pytest.fixture(scope="module")
def plain():
    return text_model()


@pytest.mark.parametrize("sampler, num_steps", [("event", 256), ("first_hitting", 1)])
def test_samples_have_the_distribution(sampler, num_steps, joint):
    """Chi-square over 81 states; one false alarm in 1000 seeds."""
    model = MD4(Enumerable(joint).denoiser())
    samples = model.generate(8000, sampler=sampler, num_steps=num_steps, seed=12)
    assert chi_square(count_states(samples, VALUES), joint) > 1e-3


def test_event_and_ancestral_agree_where_few_steps_make_both_wrong(joint):
    """Two-sample chi-square at 2 steps, whose samples are far from the model's distribution."""
    model = MD4(Enumerable(joint).denoiser())
    counts = np.array(
        [
            count_states(model.generate(8000, sampler=name, num_steps=2, seed=seed), VALUES)
            for seed, name in enumerate(("ancestral", "event"))
        ]
    )
    assert chi_square(counts[0], joint) < 1e-6
    common = counts.sum(axis=0) >= 10
    assert stats.chi2_contingency(counts[:, common]).pvalue > 1e-3


def test_genmd4_samples_have_the_distribution(joint):
    """With the true posterior as the network; what is masked tells about the values."""
    power = np.array([0.4, 1.0, 3.0])
    model = GenMD4(true_posterior(joint, power), eps=0.0)
    model.schedule.theta.assign(np.log(np.expm1(power)))
    samples = model.generate(8000, num_steps=512, time_grid="uniform", seed=13)
    assert chi_square(count_states(samples, VALUES), joint) > 1e-3
    # The test of the test: a network that takes all values to be masked alike is wrong.
    wrong = GenMD4(true_posterior(joint, np.ones(3)), eps=0.0)
    wrong.schedule.theta.assign(np.log(np.expm1(power)))
    samples = wrong.generate(8000, num_steps=512, time_grid="uniform", seed=13)
    assert chi_square(count_states(samples, VALUES), joint) < 1e-6


LARGE = 12_000


@pytest.mark.parametrize(
    "sampler, steps, kept",
    [
        ("ancestral", 3, LARGE),
        ("mean", 3, LARGE),
        (samplers.TopP(0.9), 1, None),
        (samplers.TopK(1000), 1, 1000),
        ("event", 3, LARGE),
        ("first_hitting", 3, LARGE),
        ("confidence", 3, LARGE),
        ("remasking", 3, LARGE),
    ],
    ids=str,
)
def test_tokens_follow_the_network_at_a_vocabulary_of_12000(sampler, steps, kept):
    """Chi-square over 50 groups of values; one false alarm in 1000 seeds.

    What one step at a small rate does at this size: tests/samplers/test_large_vocabulary.py.
    """
    logits = np.random.default_rng(0).normal(size=LARGE).astype("float32")
    probabilities = np.exp(logits.astype("float64"))
    probabilities /= probabilities.sum()
    likeliest = np.argsort(-probabilities)
    if kept is None:  # the fewest whose mass is at least 0.9
        kept = int(np.searchsorted(np.cumsum(probabilities[likeliest]), 0.9)) + 1
    probabilities[likeliest[kept:]] = 0.0
    probabilities /= probabilities.sum()
    model = MD4(FixedLogits(logits, count=64))
    tokens = model.generate(32, sampler=sampler, num_steps=steps, seed=3).ravel()
    assert (probabilities[tokens] > 0).all()
    groups = np.minimum((np.cumsum(probabilities) * 50).astype(int), 49)
    counts = np.bincount(groups[tokens], minlength=50)
    assert chi_square(counts, np.bincount(groups, weights=probabilities)) > 1e-3


@pytest.mark.parametrize("kind", [MD4, GenMD4])
def test_infilling_keeps_what_is_given_with_every_sampler(kind):
    model = text_model(kind)
    rng = np.random.default_rng(1)
    x, mask = rng.integers(0, 5, (6, 12), "int32"), rng.random((6, 12)) < 0.5
    mask[:, 0] = True
    scalar_only = ("event", "first_hitting", "remasking")
    for sampler in (name for name in NAMES if kind is MD4 or name not in scalar_only):
        filled = model.infill(x, mask, sampler=sampler, num_steps=5, seed=2)
        np.testing.assert_array_equal(filled[~mask], x[~mask])
        assert filled.max() < 5
    if kind is GenMD4:
        for sampler in scalar_only:
            with pytest.raises(ValueError, match="one schedule for all tokens"):
                model.infill(x, mask, sampler=sampler)


def test_genmd4_fills_a_gap_as_the_conditional_distribution_says(joint):
    """That the caller masked a position tells nothing of its value: one gap, chi-square at 1e-3."""
    power = np.array([0.4, 1.0, 3.0])
    model = GenMD4(true_posterior(joint, power), eps=0.0)
    model.schedule.theta.assign(np.log(np.expm1(power)))
    tokens = np.tile(np.array([[2, 0, 1, 0]], "int32"), (4000, 1))
    mask = np.arange(4) == 1
    filled = model.infill(tokens, mask, num_steps=128, seed=3)
    conditional = joint[2, :, 1, 0] / joint[2, :, 1, 0].sum()
    assert chi_square(np.bincount(filled[:, 1], minlength=3), conditional) > 1e-3


def test_genmd4_fills_several_gaps_exactly_from_the_start(joint):
    """At time 1 masks tell nothing and nothing is taken off: two gaps, chi-square at 1e-3."""
    power = np.array([0.4, 1.0, 3.0])
    model = GenMD4(true_posterior(joint, power), eps=0.0)
    model.schedule.theta.assign(np.log(np.expm1(power)))
    tokens = np.tile(np.array([[2, 0, 1, 0]], "int32"), (4000, 1))
    mask = (np.arange(4) == 1) | (np.arange(4) == 2)
    settings = {"num_steps": 256, "time_grid": "uniform", "start_time": 1.0}
    filled = model.infill(tokens, mask, seed=3, **settings)
    conditional = joint[2, :, :, 0] / joint[2, :, :, 0].sum()
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (filled[:, 1], filled[:, 2]), 1)
    assert chi_square(pairs, conditional) > 1e-3


@pytest.mark.parametrize("sampler", ["ancestral", "confidence"])
def test_genmd4_fills_a_few_gaps_in_a_long_text(sampler):
    """Where `1 - alpha` at the start is below what float32 can tell from 1."""
    power = np.array([0.5, 2.0, 4.0, 8.0, 8.0])
    model = GenMD4(FixedLogits(np.zeros(5), count=512))
    model.schedule.theta.assign(np.log(np.expm1(power)))
    x, mask = np.zeros((8, 512), "int32"), np.arange(512) < 40
    for start_time in ("auto", 1e-3):
        filled = model.infill(x, mask, sampler=sampler, num_steps=8, start_time=start_time)
        assert len(np.unique(filled[:, mask])) > 1


def test_float64_times_and_lists_of_tokens_are_taken():
    logits = np.zeros((1, 3, 4), "float32")
    for name in (*NAMES, "top_k", "mean"):
        stated = samplers.get(name).step_probabilities(
            logits, [[4, 2, 4]], np.float64(0.3), np.float64(0.6), schedules.Linear()
        )
        assert array(stated).min() >= 0
        np.testing.assert_allclose(array(stated).sum(axis=-1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("rule", ["capped", "rescaled"])
def test_gaps_are_filled_on_schedule_while_tokens_are_masked_again(rule):
    """A tenth is masked; after half of 64 even steps, half of that is."""
    model = MD4(FixedLogits(np.zeros(3), count=200))
    x, mask = np.zeros((100, 200), "int32"), np.arange(200) < 20
    sampler = samplers.Remasking(rule=rule, eta=0.1)
    settings = {"num_steps": 64, "time_grid": "uniform"}
    states = trajectory(model.infill_steps(x, mask, sampler=sampler, **settings))
    assert abs((states[32] == 3)[:, mask].mean() - 0.5) < 4 * 0.5 / np.sqrt(2000)
    assert not (states[:, :, ~mask] == 3).any()
    again = (states[:-1] != 3) & (states[1:] == 3)
    assert again.sum() > 100


def test_a_named_start_time_is_used(plain):
    x, mask = np.zeros((2, 12), "int32"), np.arange(12) < 6
    auto, half, late = (
        trajectory(plain.infill_steps(x, mask, num_steps=4, start_time=start))
        for start in ("auto", 0.5, 1.0)
    )
    np.testing.assert_array_equal(auto, half)  # half is masked
    assert not np.array_equal(auto, late)


@pytest.fixture(scope="module")
def guided():
    return text_model(num_classes=3, label_dropout=0.1)


def test_guidance_interpolates_between_no_label_and_the_label(guided):
    settings = {"num_steps": 4, "seed": 1}
    labels = np.array([0, 2])
    np.testing.assert_array_equal(
        guided.generate(2, labels, guidance_scale=0.0, **settings),
        guided.generate(2, np.array([3, 3]), **settings),  # 3 is the id of no label
    )
    plain = guided.generate(2, labels, **settings)
    close = guided.generate(2, labels, guidance_scale=1.0 + 1e-6, **settings)
    np.testing.assert_array_equal(plain, close)


@pytest.mark.parametrize("sampler", ["ancestral", "event"])
def test_guided_logits_are_the_stated_combination(sampler, guided, monkeypatch):
    """A first step from all masked, likeliest tokens: they follow the combined logits."""
    zt = np.full((2, 12), 5, "int32")
    labels = np.array([0, 2], "int32")
    with_label = array(guided.predict_logits(zt, 1.0, labels))
    without = array(guided.predict_logits(zt, 1.0, np.array([3, 3], "int32")))
    combined = without + 4.0 * (with_label - without)
    sampler = type(samplers.get(sampler))(filters=samplers.TopK(1))
    settings = {"num_steps": 6, "guidance_scale": 4.0}
    states = trajectory(guided.sample_steps(2, labels, sampler=sampler, **settings))
    revealed = states[1] != 5
    np.testing.assert_array_equal(states[1][revealed], combined.argmax(axis=-1)[revealed])


def test_guidance_fills_gaps(guided):
    x, mask = np.zeros((2, 12), "int32"), np.arange(12) % 2 == 0
    filled = guided.infill(x, mask, labels=[0, 1], guidance_scale=2.0, num_steps=3)
    assert (filled[:, ~mask] == 0).all() and filled.max() < 5


def test_mistakes_are_named_before_any_work(plain):
    x = np.zeros((2, 12), "int32")
    calls = {
        "label_dropout": lambda: plain.generate(1, guidance_scale=2.0),
        "guidance_scale=-1": lambda: plain.generate(1, guidance_scale=-1),
        "start_time=0": lambda: plain.infill(x, x == 0, start_time=0),
        "start_time='soon'": lambda: plain.infill(x, x == 0, start_time="soon"),
        "num_steps=True": lambda: plain.generate(1, num_steps=True),
        "num_steps='4'": lambda: plain.generate(1, num_steps="4"),
        "seed=None": lambda: plain.generate(1, seed=None),
        "temperature=1e-42": lambda: plain.generate(1, temperature=1e-42),
        "nothing to fill": lambda: plain.infill(x[:0], x[:0] == 0),
        " in \\[0, 5\\)": lambda: plain.infill(x + 9, np.arange(12) < 3),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
