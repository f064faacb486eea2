"""On a distribution small enough to enumerate, with its true conditionals as the network."""

import itertools

import numpy as np
import pytest

from md4keras import MD4, schedules
from md4keras.evaluation.sources import Enumerable
from tests.models.tabular import chi_square, count_states
from tests.reference import array

VALUES, COUNT = 3, 4
STATES = np.array(list(itertools.product(range(VALUES), repeat=COUNT)), "int32")  # [81, 4]
MASKS = np.array(list(itertools.product((False, True), repeat=COUNT)))  # [16, 4]


@pytest.fixture(scope="module")
def joint():
    return Enumerable.random(VALUES, COUNT).joint


def expected_nelbo(model, joint, nodes=96):
    """The exact expectation over data and masks, Gauss-Legendre over time (substituted t = u^2)."""
    x = np.repeat(STATES, len(MASKS), axis=0)  # [81 * 16, 4]
    mask = np.tile(MASKS, (len(STATES), 1))
    zt = np.where(mask, VALUES, x).astype("int32")
    weight = np.repeat(joint.ravel(), len(MASKS))
    u, w = np.polynomial.legendre.leggauss(nodes)
    u, w = (u + 1) / 2, w / 2
    total = 0.0
    for ui, wi in zip(u, w, strict=True):
        t = np.float32(ui * ui)
        alpha = float(array(model.schedule.alpha(t)))
        masked = mask.sum(axis=1)
        chance = (1 - alpha) ** masked * alpha ** (COUNT - masked)
        loss = array(model.diffusion_loss(x, zt, np.full(len(x), t, "float32")))
        total += wi * 2 * ui * float((weight * chance * loss).sum())
    return total + float(array(model.reconstruction_loss(STATES[:1]))[0])


@pytest.mark.parametrize("schedule", ["linear", "cosine", "poly0.5", "poly2"])
def test_the_expected_nelbo_is_the_entropy(schedule, joint):
    schedule = schedules.get(schedule)
    schedule.eps = 1e-6
    model = MD4(Enumerable(joint).denoiser(), schedule=schedule)
    assert abs(expected_nelbo(model, joint) - Enumerable(joint).entropy().nats) < 1e-3


def expected_discrete_nelbo(model, joint):
    """The exact expectation of a discrete-time model over data, masks and the grid of times."""
    x = np.repeat(STATES, len(MASKS), axis=0)
    mask = np.tile(MASKS, (len(STATES), 1))
    zt = np.where(mask, VALUES, x).astype("int32")
    weight, masked = np.repeat(joint.ravel(), len(MASKS)), mask.sum(axis=1)
    total = 0.0
    for step in range(1, model.timesteps + 1):
        t = np.float32(step / model.timesteps)
        alpha = float(array(model.schedule.alpha(t)))
        chance = (1 - alpha) ** masked * alpha ** (COUNT - masked)
        loss = array(model.diffusion_loss(x, zt, np.full(len(x), t, "float32")))
        total += float((weight * chance * loss).sum()) / model.timesteps
    return total + float(array(model.reconstruction_loss(STATES[:1]))[0])


def test_a_discrete_time_bound_lies_above_the_entropy_and_falls_to_it(joint):
    """With T steps, times on the grid; the gap closes as T grows."""
    bounds = [
        expected_discrete_nelbo(
            MD4(Enumerable(joint).denoiser(), schedule=schedules.Linear(1e-6), timesteps=timesteps),
            joint,
        )
        for timesteps in (2, 8, 64)
    ]
    least = Enumerable(joint).entropy().nats
    assert bounds[0] > bounds[1] > bounds[2] > least - 1e-3
    assert bounds[2] - least < 0.1 * (bounds[0] - least)


def draw_data(joint, count, seed=0):
    return STATES[np.random.default_rng(seed).choice(len(STATES), count, p=joint.ravel())]


@pytest.mark.parametrize("timesteps", [None, 50])
def test_evaluate_estimates_the_expected_loss(timesteps, joint):
    """Each state as often as it occurs, so only masks and times are random.

    Ten independent evaluations; their mean lies within four standard errors of the exact value
    (t distribution, 9 degrees of freedom: fails by chance in 3 of 1000 seeds).
    """
    model = MD4(Enumerable(joint).denoiser(), timesteps=timesteps)
    model.compile("sgd")
    counts = np.round(joint.ravel() * 500).astype(int)
    x = np.repeat(STATES, counts, axis=0)
    settings = {"verbose": 0, "batch_size": 128, "return_dict": True, "num_passes": 2}
    logs = [model.evaluate(x, seed=100 * seed, **settings) for seed in range(10)]
    losses = np.array([log["loss"] for log in logs])
    empirical = counts.reshape(joint.shape) / counts.sum()
    exact = expected_nelbo if timesteps is None else expected_discrete_nelbo
    expected = exact(model, empirical) / COUNT
    error = losses.std(ddof=1) / np.sqrt(len(losses))
    assert error < 0.02 * expected
    assert abs(losses.mean() - expected) < 4 * error
    np.testing.assert_allclose(logs[0]["bits_per_dim"], losses[0] / np.log(2), rtol=1e-5)
    np.testing.assert_allclose(logs[0]["perplexity"], np.exp(losses[0]), rtol=1e-4)


def test_evaluations_under_other_seeds_agree_within_a_percent(joint):
    model = MD4(Enumerable(joint).denoiser())
    model.compile("sgd")
    x = draw_data(joint, 4000)
    settings = {"verbose": 0, "batch_size": 1000, "num_passes": 8}
    results = [model.evaluate(x, seed=seed, **settings)[0] for seed in range(3)]
    assert max(results) / min(results) < 1.01
    assert model.evaluate(x, seed=2, **settings)[0] == results[2]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_ancestral_samples_have_the_distribution(schedule, joint):
    """Chi-square over the 81 states at 256 steps; fails by chance in 1 of 1000 seeds."""
    model = MD4(Enumerable(joint).denoiser(), schedule=schedule)
    samples = model.generate(8000, num_steps=256, seed=11)
    assert chi_square(count_states(samples, VALUES), joint) > 1e-3


def test_infilled_tokens_have_the_conditional_distribution(joint):
    model = MD4(Enumerable(joint).denoiser())
    tokens = np.tile(np.array([2, 0, 1, 0], "int32"), (4000, 1))
    mask = np.array([False, True, False, True])
    samples = model.infill(tokens, mask, num_steps=256, seed=5)
    np.testing.assert_array_equal(samples[:, ~mask], tokens[:, ~mask])
    conditional = joint[2, :, 1, :]
    drawn = count_states(samples[:, mask], VALUES)
    assert chi_square(drawn, conditional / conditional.sum()) > 1e-3  # one in 1000 seeds


def test_training_loss_has_the_same_expectation_as_evaluation(joint):
    model = MD4(Enumerable(joint).denoiser(), seed=3)
    model.compile("sgd")
    x = draw_data(joint, 512)
    reconstruction = float(array(model.reconstruction_loss(x)).mean())
    sampled = [COUNT * float(array(model.compute_loss(x))) - reconstruction for _ in range(60)]
    logs = model.evaluate(x, batch_size=512, verbose=0, return_dict=True, num_passes=32)
    evaluated = logs["diffusion_loss"] * COUNT
    error = np.std(sampled) / np.sqrt(len(sampled))
    assert abs(np.mean(sampled) - evaluated) < 4 * error + 2e-3 * evaluated
