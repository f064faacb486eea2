"""GenMD4 where every sequence and every masking can be enumerated."""

import itertools

import numpy as np
import pytest
from keras import ops

from md4keras import GenMD4
from md4keras.evaluation.sources import Enumerable
from tests.gradients import gradients_of
from tests.models.objective import surrogate
from tests.models.tabular import true_posterior
from tests.reference import array

VALUES, COUNT = 3, 4
STATES = np.array(list(itertools.product(range(VALUES), repeat=COUNT)), "int32")  # [81, 4]
MASKS = np.array(list(itertools.product((False, True), repeat=COUNT)))  # [16, 4]
X = np.repeat(STATES, len(MASKS), axis=0)  # [81 * 16, 4]: each sequence with each masking
MASKED = np.tile(MASKS, (len(STATES), 1))
ZT = np.where(MASKED, VALUES, X).astype("int32")
THETA = np.array([-0.6, 0.4, 1.3], "float32")  # exponents 0.44, 0.91, 1.54


@pytest.fixture(scope="module")
def joint():
    return Enumerable.random(VALUES, COUNT).joint


def masking_chance(model, t):
    """`q(zt | x)` of each row of `X`, `[81 * 16]`."""
    masked = 1.0 - array(model.schedule.alpha(np.float32(t)))[X]  # [81 * 16, 4]
    return np.where(MASKED, masked, 1.0 - masked).prod(axis=1)


def quadrature(t1, nodes=64):
    """Times and weights of a Gauss-Legendre rule in `log t`, from `t1` to 1."""
    u, w = np.polynomial.legendre.leggauss(nodes)
    t = np.exp(np.log(t1) * (1 - u) / 2)
    return t, w * t * -np.log(t1) / 2


def expected_bound(model, joint):
    """The exact bound, in nats: over data and maskings by sums, over time by quadrature."""
    weight, total = np.repeat(joint.ravel(), len(MASKS)), 0.0
    for t, dt in zip(*quadrature(model.t1), strict=True):
        loss = array(model.diffusion_loss(X, ZT, np.full(len(X), t, "float32")))
        total += dt * float((weight * masking_chance(model, t) * loss).sum())
    return total + float(joint.ravel() @ array(model.reconstruction_loss(STATES)))


def genmd4(network, theta=THETA, **kwargs):
    model = GenMD4(network, **kwargs)
    model.schedule.theta.assign(theta)
    return model


def test_the_bound_of_the_exact_posterior_is_the_entropy(joint):
    """For any exponents, as eps and t1 go to 0."""
    for theta in (THETA, THETA[::-1] + 0.5):
        power = np.logaddexp(0, theta)
        model = genmd4(true_posterior(joint, power), theta, t1=1e-7, eps=1e-6)
        assert abs(expected_bound(model, joint) - Enumerable(joint).entropy().nats) < 2e-3


def test_conditionals_that_ignore_what_the_masks_tell_are_above_the_entropy(joint):
    model = genmd4(Enumerable(joint).denoiser(), t1=1e-7, eps=1e-6)
    assert expected_bound(model, joint) > Enumerable(joint).entropy().nats + 0.01


def expected_term(theta, log_mu, joint, t, eps):
    """The expected diffusion term at time `t` in float64, written without the library.

    Args:
        theta: float64 `[3]`.
        log_mu: float64 `[81 * 16, 4, 3]`, the network's log-probabilities for `ZT`.
    """
    w = np.logaddexp(0.0, theta)
    masked = (1.0 - eps) * t ** w[X]
    chance = np.where(MASKED, masked, 1.0 - masked).prod(axis=1)
    entropy_term = -np.take_along_axis(log_mu, X[..., None], axis=-1)[..., 0]
    cost = w[X] * (entropy_term - 1.0) + np.exp(log_mu) @ w
    return np.repeat(joint.ravel(), len(MASKS)) @ (chance * (MASKED * cost).sum(axis=1)) / t


def expected_gradient(model, joint, t):
    """The derivative of `expected_term` in `theta`, by central differences in float64, `[3]`."""
    logits = array(model.predict_logits(ZT, 0.5)).astype("float64")
    log_mu = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    theta, h = array(model.schedule.theta).astype("float64"), 1e-5
    at = [
        [
            expected_term(theta + sign * h * e, log_mu, joint, t, model.schedule.eps)
            for e in np.eye(3)
        ]
        for sign in (1, -1)
    ]
    return np.subtract(*at) / (2 * h)


@pytest.mark.parametrize("t", [0.05, 0.4, 0.95])
def test_the_surrogate_gradient_is_unbiased_over_all_pairs_of_maskings(t, joint):
    """Summed over both maskings with their probabilities: exact, nothing is drawn."""
    model = genmd4(Enumerable(joint).denoiser())
    x = np.repeat(STATES, len(MASKS) ** 2, axis=0)  # [81 * 256, 4]
    first = np.tile(np.repeat(MASKS, len(MASKS), axis=0), (len(STATES), 1))
    second = np.tile(np.tile(MASKS, (len(MASKS), 1)), (len(STATES), 1))
    z1, z2 = (np.where(mask, VALUES, x).astype("int32") for mask in (first, second))
    chance = masking_chance(model, t).reshape(len(STATES), len(MASKS))
    pairs = joint.reshape(-1, 1, 1) * chance[:, :, None] * chance[:, None, :]
    x, z1, z2, weight = map(ops.convert_to_tensor, (x, z1, z2, pairs.ravel().astype("float32")))
    time = ops.full((x.shape[0],), t, dtype="float32")

    def expected(which):
        return ops.sum(weight * surrogate(model, x, z1, z2, time)[which])

    wanted = expected_gradient(model, joint, t)
    scale = np.abs(wanted).max()
    (gradient,) = gradients_of(model, lambda: expected(1))
    np.testing.assert_allclose(gradient, wanted, atol=1e-3 * scale)
    # Without the leave-one-out term the gradient is another.
    (without,) = gradients_of(model, lambda: expected(0))
    assert np.abs(without - wanted).max() > 0.03 * scale


@pytest.mark.slow
def test_the_stochastic_gradient_has_the_exact_mean(joint):
    """As drawn in training; value and gradient of 60 batches against exact numbers.

    Each of four means lies within four standard errors (t distribution, 59 degrees of freedom:
    one in 1400 seeds fails by chance). `t1` is large, so that the length `1 - t1` shows.
    """
    model = genmd4(Enumerable(joint).denoiser(), t1=0.2)
    counts = np.round(joint.ravel() * 1000).astype(int)
    x = ops.convert_to_tensor(np.repeat(STATES, counts, axis=0))
    empirical = (counts / counts.sum()).reshape(joint.shape)
    values, gradients = [], []

    def loss():
        return x.shape[1] * model.compute_loss(x) - ops.mean(model.reconstruction_loss(x))

    for seed in range(60):
        model.seed_generator.state.assign(np.array([seed, 0], "uint32"))
        gradients.append(*gradients_of(model, loss))
        model.seed_generator.state.assign(np.array([seed, 0], "uint32"))
        values.append(float(array(loss())))
    nodes = list(zip(*quadrature(model.t1, nodes=16), strict=True))
    integral = sum(dt * expected_gradient(model, empirical, t) for t, dt in nodes)
    recon = float(empirical.ravel() @ array(model.reconstruction_loss(STATES)))
    expected = np.append(integral / (1 - model.t1), expected_bound(model, empirical) - recon)
    drawn = np.column_stack([gradients, values])  # [60, 4]
    error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - expected) < 4 * error).all()
    assert (error < 0.1 * np.abs(expected).max()).all()


@pytest.mark.parametrize("t1", [1e-3, 0.2])
def test_evaluate_estimates_the_bound(t1, joint):
    """Ten evaluations; their mean lies within four standard errors of the exact value.

    t distribution, 9 degrees of freedom: fails by chance in 3 of 1000 seeds. Each state is there
    as often as it occurs, so only masks and times are random.
    """
    model = genmd4(Enumerable(joint).denoiser(), t1=t1)
    model.compile("sgd")
    counts = np.round(joint.ravel() * 500).astype(int)
    x = np.repeat(STATES, counts, axis=0)
    settings = {"verbose": 0, "batch_size": 128, "return_dict": True, "num_passes": 2}
    losses = [model.evaluate(x, seed=100 * seed, **settings)["loss"] for seed in range(10)]
    expected = expected_bound(model, (counts / counts.sum()).reshape(joint.shape)) / COUNT
    error = np.std(losses, ddof=1) / np.sqrt(len(losses))
    assert error < 0.02 * expected
    assert abs(np.mean(losses) - expected) < 4 * error


def test_evaluations_under_other_seeds_agree_within_a_percent(joint):
    model = genmd4(Enumerable(joint).denoiser())
    model.compile("sgd")
    draws = np.random.default_rng(0).choice(len(STATES), 4000, p=joint.ravel())
    settings = {"verbose": 0, "batch_size": 1000, "num_passes": 8}
    results = [model.evaluate(STATES[draws], seed=seed, **settings)[0] for seed in range(3)]
    assert max(results) / min(results) < 1.01
    assert model.evaluate(STATES[draws], seed=2, **settings)[0] == results[2]
