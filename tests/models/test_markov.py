"""Trained on Markov sources, the bound comes near the entropy rate and never passes below it."""

import keras
import numpy as np
import pytest

from md4keras import MD4
from md4keras.networks import Transformer


def source(states: int):
    """A transition matrix, its stationary distribution, and the entropy rate in nats."""
    if states == 2:
        matrix = np.array([[0.9, 0.1], [0.3, 0.7]])
    else:
        matrix = np.random.default_rng(0).dirichlet(np.full(states, 0.4), size=states)
        matrix = 0.98 * matrix + 0.02 / states
    values, vectors = np.linalg.eig(matrix.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary = stationary / stationary.sum()
    rate = -(stationary[:, None] * matrix * np.log(matrix)).sum()
    return matrix, stationary, rate


def draw(matrix, stationary, count, length, seed):
    rng = np.random.default_rng(seed)
    x = np.zeros((count, length), "int32")
    x[:, 0] = rng.choice(len(stationary), count, p=stationary)
    cumulative = matrix.cumsum(axis=1)
    for position in range(1, length):
        uniforms = rng.random((count, 1))
        drawn = (uniforms > cumulative[x[:, position - 1]]).sum(axis=1)
        x[:, position] = np.minimum(drawn, len(stationary) - 1)
    return x


@pytest.mark.parametrize("states, steps", [(2, 300), (8, 800)])
def test_the_bound_approaches_the_entropy_of_the_source(states, steps):
    matrix, stationary, rate = source(states)
    length, count = 32, 2048
    initial = -(stationary * np.log(stationary)).sum()
    entropy = (initial + (length - 1) * rate) / length  # of a stretch, per position
    network = Transformer(
        states, length, num_layers=2, num_heads=2, feature_dim=32, time_features="none"
    )
    model = MD4(network, seed=0)
    rate_schedule = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(keras.optimizers.Muon(rate_schedule, weight_decay=0.0))
    x = draw(matrix, stationary, 64 * steps, length, seed=1)
    model.fit(x, batch_size=64, verbose=0)
    held_out = draw(matrix, stationary, count, length, seed=2)
    bound = model.evaluate(held_out, verbose=0, return_dict=True, batch_size=256)["loss"]
    # The data's own scatter: the log-probability of the held-out sequences.
    steps_nats = -np.log(matrix)[held_out[:, :-1], held_out[:, 1:]].sum(axis=1)
    exact = (steps_nats - np.log(stationary)[held_out[:, 0]]) / length
    assert bound < 1.03 * entropy
    assert bound > exact.mean() - 3 * 0.005 * entropy  # Monte Carlo error of the estimate
