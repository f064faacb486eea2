"""The laws of samplers that mask again, propagated exactly over all states of three tokens."""

import numpy as np
import pytest
from keras import ops

from md4keras import samplers, schedules
from md4keras.evaluation.sources import Enumerable
from md4keras.samplers import Psi, Remasking
from tests.reference import array

V, N = 2, 3
SCHEDULE = schedules.Linear(eps=1e-4)
SOURCE = Enumerable.random(V, N, seed=2)
STATES = np.indices((V + 1,) * N).reshape(N, -1).T.astype("int32")  # all 27
KEEPING = [
    samplers.Ancestral(),
    *(Psi(kappa=kappa) for kappa in (0.0, 0.3, 0.9, 1.0, "forward_backward")),
    *(Remasking(rule=rule, eta=eta) for rule in ("capped", "rescaled") for eta in (0.02, 0.5, 1.0)),
]


def alpha(t):
    return float(array(SCHEDULE.alpha(t)))


def law_at(t):
    """The probability of each state at time `t`, `[27]`."""
    law = np.zeros(len(STATES))
    for x in np.ndindex(*SOURCE.joint.shape):
        hidden = STATES == V
        fits = (hidden | (STATES == x)).all(axis=1)
        weight = np.where(hidden, 1.0 - alpha(t), alpha(t)).prod(axis=1)
        law += SOURCE.joint[x] * fits * weight
    return law


def steps(sampler, denoiser, s, t):
    """What a step from each state draws from, `[27, N, V + 1]`."""
    states = ops.convert_to_tensor(STATES)
    logits = denoiser({"tokens": states})
    times = (ops.convert_to_tensor(np.full(len(STATES), time, "float32")) for time in (s, t))
    return array(sampler.step_probabilities(logits, states, *times, SCHEDULE)).astype("float64")


def marginals(law):
    """Of each position, `[N, V + 1]`."""
    return np.stack([[law[STATES[:, i] == v].sum() for v in range(V + 1)] for i in range(N)])


@pytest.mark.parametrize("sampler", KEEPING, ids=repr)
def test_a_step_keeps_the_marginals_on_schedule(sampler):
    """Of each position, exactly, with the exact denoiser; whatever `kappa` or `sigma`."""
    denoiser = SOURCE.denoiser()
    for s, t in ((0.9, 1.0), (0.45, 0.7), (0.0, 0.2)):
        after = np.einsum("z,ziv->iv", law_at(t), steps(sampler, denoiser, s, t))
        np.testing.assert_allclose(after, marginals(law_at(s)), atol=2e-6)


def test_the_rule_of_confidence_does_not():
    after = np.einsum(
        "z,ziv->iv", law_at(0.7), steps(Remasking(rule="confidence"), SOURCE.denoiser(), 0.45, 0.7)
    )
    assert np.abs(after - marginals(law_at(0.45))).max() > 0.01


def end_of(sampler, num_steps):
    """The law after a run of even steps, over the states without masks."""
    denoiser, law = SOURCE.denoiser(), law_at(1.0)
    times = np.linspace(1.0, 0.0, num_steps + 1)
    for t, s in zip(times[:-1], times[1:], strict=True):
        each = steps(sampler, denoiser, s, t)
        kernel = np.prod([each[:, i, STATES[:, i]] for i in range(N)], axis=0)  # [27, 27]
        law = law @ kernel
    return law[(STATES < V).all(axis=1)]


@pytest.mark.parametrize(
    "sampler",
    [
        Psi(kappa=0.5),
        Psi(kappa="forward_backward"),
        pytest.param(Psi(kappa=0.0), marks=pytest.mark.slow),
        pytest.param(Remasking(rule="capped", eta=0.05), marks=pytest.mark.slow),
        pytest.param(Remasking(rule="rescaled", eta=0.05), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_with_many_steps_a_run_has_the_models_law(sampler):
    """The total variation falls as one over the root of the number of steps, or faster."""
    few, many = (
        0.5 * np.abs(end_of(sampler, count) - SOURCE.joint.ravel()).sum() for count in (16, 128)
    )
    assert many < 0.02 and many < 0.5 * few  # the root of 8 is 2.8
