"""One step of each sampler draws from what `step_probabilities` states."""

import keras
import numpy as np
import pytest
from scipy import stats

from md4keras import samplers, schedules
from tests.reference import array

VALUES, COUNT, ROWS = 4, 6, 20_000
STEPPED = [
    samplers.Ancestral(),
    samplers.Ancestral(filters=samplers.TopK(2)),
    samplers.Confidence(filters=samplers.TopP(0.6)),
    samplers.Remasking(filters=samplers.TopK(2), eta=0.2),
    samplers.Confidence(),
    samplers.Confidence(rule="margin"),
    samplers.Confidence(rule="entropy"),
    samplers.Remasking(rule="capped", eta=0.2),
    samplers.Remasking(rule="rescaled", eta=0.6),
    samplers.Remasking(rule="confidence"),
]


def tensors(*arrays):
    return [keras.ops.convert_to_tensor(each) for each in arrays]


def take_step(sampler, logits, zt, s, t, schedule, noise, memory):
    """One step on tensors, as arrays: the new tokens and what is remembered.

    The network's logits as they are: to filter them is the step's own business.
    """
    logits, zt, t, *memory = tensors(logits, zt, np.float32(t), *memory)
    memory = samplers.Memory(*memory)
    state = sampler.step(logits, zt, s, t, schedule, tensors(*noise), memory)
    return [array(each) for each in state]


def a_state():
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(1, COUNT, VALUES)).astype("float32")
    zt = np.array([[4, 1, 4, 4, 2, 4]], "int32")
    remembered = np.array([[0, 0.2, 0, 0, 0.9, 0]], "float32")
    return logits, zt, samplers.Memory(np.zeros(zt.shape, bool), remembered)


@pytest.mark.parametrize("sampler", STEPPED, ids=repr)
def test_frequencies_are_the_stated_probabilities(sampler):
    """Chi-square at each position; 6 positions at 1e-4: fails in less than 1 of 1000 seeds."""
    logits, zt, memory = a_state()
    schedule, s, t = schedules.Linear(eps=1e-4), 0.45, 0.7
    if isinstance(sampler, samplers.Remasking):
        noted = samplers.Memory(*tensors(*memory))
        stated = sampler.step_probabilities(logits, zt, s, t, schedule, noted)
    else:
        stated = sampler.step_probabilities(logits, zt, s, t, schedule)
    stated = array(stated)[0].astype("float64")
    np.testing.assert_allclose(stated.sum(axis=-1), 1.0, rtol=1e-5)
    rng = np.random.default_rng(5)
    noise = tuple(rng.random((ROWS, COUNT), "float32") for _ in range(2))
    logits, zt, *memory = (np.repeat(a, ROWS, axis=0) for a in (logits, zt, *memory))
    zs, _ = take_step(sampler, logits, zt, s, t, schedule, noise, memory)
    for position, tokens in enumerate(zs.T):
        counts = np.bincount(tokens, minlength=VALUES + 1)
        possible = stated[position] > 0
        assert not counts[~possible].any()
        if possible.sum() > 1:
            expected = stated[position][possible] * ROWS
            expected *= counts.sum() / expected.sum()
            assert stats.chisquare(counts[possible], expected).pvalue > 1e-4


def nothing_given(zt):
    return samplers.Memory(np.zeros(zt.shape, bool), np.zeros(zt.shape, "float32"))


def test_confidence_reveals_the_planned_number_and_the_surest():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(30, 10, 5)).astype("float32") * 2
    zt = np.full((30, 10), 5, "int32")
    probabilities = array(
        samplers.Confidence().step_probabilities(logits, zt, 0.6, 1.0, schedules.Linear())
    )
    revealed = probabilities[..., -1] == 0.0
    assert (revealed.sum(axis=1) == 4).all()
    best = np.exp(logits).max(axis=-1) / np.exp(logits).sum(axis=-1)
    for row, chosen in zip(best, revealed, strict=True):
        assert row[chosen].min() > row[~chosen].max()


def test_a_filter_does_not_change_who_is_surest():
    logits = np.random.default_rng(0).normal(size=(8, 10, 5)).astype("float32")
    zt = np.full((8, 10), 5, "int32")
    masks = [
        array(samplers.Confidence(filters=f).step_probabilities(logits, zt, 0.6, 1.0, schedule))[
            ..., -1
        ]
        for schedule in (schedules.Linear(),)
        for f in ((), samplers.TopK(1), samplers.TopP(0.3))
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])


@pytest.mark.parametrize("power", [0.5, 4.0, 8.0])
def test_large_exponents_are_revealed_at_the_last_of_many_steps(power):
    schedule = schedules.LearnablePolynomial(3, power_init=power)
    t, s = (times[-1:] for times in samplers.make_time_grid(1000, "cosine"))
    zt, logits = np.full((1, 4), 3, "int32"), np.zeros((1, 4, 3), "float32")
    probabilities = array(samplers.Ancestral().step_probabilities(logits, zt, s, t, schedule))
    np.testing.assert_allclose(probabilities[..., :3], 1 / 3, rtol=1e-5)
    np.testing.assert_allclose(probabilities[..., 3], 0.0, atol=1e-6)


def test_noise_lets_less_sure_positions_come_first():
    rng = np.random.default_rng(0)
    logits = np.repeat(rng.normal(size=(1, 10, 5)), 500, axis=0).astype("float32")
    zt = np.full((500, 10), 5, "int32")
    noise = tuple(rng.random(zt.shape, "float32") for _ in range(2))
    t, memory = np.ones(500, "float32"), nothing_given(zt)
    counts = {}
    for temperature in (0.0, 2.0):
        sampler = samplers.Confidence(noise_temperature=temperature)
        zs, _ = take_step(sampler, logits, zt, 0.6, t, schedules.Linear(), noise, memory)
        counts[temperature] = (zs != 5).sum(axis=0)
    assert (counts[0.0] % 500 == 0).all() and counts[0.0].sum() == 4 * 500
    assert (counts[2.0] > 0).all() and counts[2.0].sum() == 4 * 500
    with pytest.raises(ValueError, match="noise_temperature=2.0"):
        sampler.step_probabilities(logits, zt, 0.6, 1.0, schedules.Linear())


@pytest.mark.parametrize("rule", ["capped", "rescaled"])
def test_remasking_keeps_the_masked_fraction_on_schedule(rule):
    rng = np.random.default_rng(1)
    schedule, t, s = schedules.Linear(), 0.6, 0.5
    zt = np.where(rng.random((400, 50)) < 0.6, 3, 0).astype("int32")
    logits = np.zeros((*zt.shape, 3), "float32")
    noise = tuple(rng.random(zt.shape, "float32") for _ in range(2))
    sampler = samplers.Remasking(rule=rule, eta=0.3)
    zs, remembered = take_step(sampler, logits, zt, s, t, schedule, noise, nothing_given(zt))
    assert abs((zs == 3).mean() - s) < 4 * 0.5 / np.sqrt(zs.size)
    assert ((zt != 3) & (zs == 3)).any()
    newly = (zt == 3) & (zs != 3)
    np.testing.assert_allclose(remembered[newly], 1 / 3, rtol=1e-5)


def test_given_tokens_are_never_masked_again():
    zt = np.zeros((50, 20), "int32")
    memory = samplers.Memory(np.ones(zt.shape, bool), np.zeros(zt.shape, "float32"))
    noise = (np.zeros(zt.shape, "float32"),) * 2
    for rule in ("capped", "rescaled", "confidence"):
        sampler, logits = samplers.Remasking(rule=rule, eta=1.0), np.zeros((*zt.shape, 3), "f4")
        zs, _ = take_step(sampler, logits, zt, 0.5, 0.6, schedules.Linear(), noise, memory)
        np.testing.assert_array_equal(zs, zt)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_plan_of_event_has_the_reveal_probabilities_of_the_steps(schedule):
    """Chi-square over 16 steps and over the rest; one false alarm in 1000 seeds each."""
    schedule = schedules.get(schedule)
    grid = samplers.make_time_grid(16, "cosine")
    uniforms = np.random.default_rng(2).random((2000, 12), "float32")
    start = np.ones(2000, "float32")
    plan = samplers.Event().plan(uniforms, uniforms >= 0, grid, start, schedule)
    times = np.take_along_axis(plan.times, plan.event, axis=1)
    counts = np.array([(np.isclose(times, t)).sum() for t in grid[0]])
    alpha_t, alpha_s = (array(schedule.alpha(time)).astype("float64") for time in grid)
    expected = (alpha_s - alpha_t) / (1 - alpha_t[0]) * times.size
    expected *= counts.sum() / expected.sum()
    assert times.size - counts.sum() < 30  # about 2.4 are left for the end
    assert stats.chisquare(counts, expected).pvalue > 1e-3
    # Network calls of a row: the steps at which at least one position is revealed.
    calls = (plan.first < 12).sum(axis=1)
    predicted = (1 - (1 - expected / expected.sum()) ** 12).sum()
    assert abs(calls.mean() - predicted) < 4 * calls.std() / np.sqrt(len(calls))


def test_first_hitting_times_of_the_linear_schedule():
    """The next time is `t U**(1/n)`: so `(next/t)**n` is uniform (one false alarm in 1000)."""
    uniforms = np.random.default_rng(3).random((3000, 5), "float32")
    start = np.ones(3000, "float32")
    plan = samplers.FirstHitting().plan(
        uniforms, uniforms >= 0, None, start, schedules.Linear(eps=0.0)
    )
    assert plan.most == 1 and plan.times.shape == (3000, 5)
    before = np.concatenate([np.ones((3000, 1)), plan.times[:, :-1]], axis=1)
    ratio = (plan.times / before) ** np.arange(5, 0, -1)
    for column in ratio.T:
        assert stats.kstest(column, "uniform").pvalue > 2e-4


def test_samplers_with_a_plan_refuse_a_schedule_per_token():
    schedule = schedules.LearnablePolynomial(4)
    for sampler in (samplers.Event(), samplers.FirstHitting(), samplers.Remasking()):
        with pytest.raises(ValueError, match="one schedule for all tokens"):
            sampler.check_schedule(schedule)
    with pytest.raises(ValueError, match="one schedule for all tokens"):
        samplers.Remasking().step_probabilities(*a_state()[:2], 0.4, 0.6, schedule)
