"""Trained on Markov sources, the bound comes near the entropy rate and never passes below it."""

import keras
import numpy as np
import pytest

from md4keras import MD4, BlockDiffusion
from md4keras.evaluation.sources import Markov
from md4keras.networks import DiT, Transformer
from tests.models.tabular import chi_square


@pytest.mark.parametrize("states, steps", [(2, 300), pytest.param(8, 800, marks=pytest.mark.slow)])
def test_the_bound_approaches_the_entropy_of_the_source(states, steps):
    length, count = 32, 2048
    two = Markov([[0.9, 0.1], [0.3, 0.7]], length)
    source = two if states == 2 else Markov.random(states, length)
    entropy = source.entropy().nats / length  # of a stretch, per position
    network = Transformer(
        states, length, num_layers=2, num_heads=2, feature_dim=32, time_features="none"
    )
    model = MD4(network, seed=0)
    rate_schedule = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(keras.optimizers.Muon(rate_schedule, weight_decay=0.0))
    x = source.draw(64 * steps, seed=1)
    model.fit(x, batch_size=64, verbose=0)
    held_out = source.draw(count, seed=2)
    bound = model.evaluate(held_out, verbose=0, return_dict=True, batch_size=256)["loss"]
    # The data's own scatter: the log-probability of the held-out sequences.
    exact = -source.log_probability(held_out) / length
    assert bound < 1.03 * entropy
    assert bound > exact.mean() - 3 * 0.005 * entropy  # Monte Carlo error of the estimate


@pytest.mark.slow
@pytest.mark.parametrize("block_size", [1, 4, 32])
def test_the_bound_in_blocks_approaches_the_entropy_of_the_source(block_size):
    """Eight states; one block is an MD4, blocks of one have no gap between bound and likelihood."""
    length, steps = 32, 800
    source = Markov.random(8, length)
    entropy = source.entropy().nats / length
    network = DiT(8, length, num_layers=2, num_heads=2, hidden_dim=64, feature_dim=32)
    model = BlockDiffusion(network, block_size, seed=0)
    rate_schedule = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(keras.optimizers.Muon(rate_schedule, weight_decay=0.0))
    model.fit(source.draw(64 * steps, seed=1), batch_size=64, verbose=0)
    held_out = source.draw(2048, seed=2)
    bound = model.evaluate(held_out, verbose=0, return_dict=True, batch_size=256)["loss"]
    exact = -source.log_probability(held_out) / length
    assert bound < 1.03 * entropy
    assert bound > exact.mean() - 3 * 0.005 * entropy  # Monte Carlo error of the estimate


@pytest.mark.parametrize("sampler", ["ancestral", "event", "first_hitting"])
def test_samples_have_the_transitions_of_the_source(sampler):
    """With the exact denoiser. Pairs at fixed places of independent samples: a chi-square test of
    the 64 transitions, one place at a time; at 2e-4 each, 5 places fail in 1 of 1000 seeds.
    """
    source = Markov.random(8, length=16)
    model = MD4(source.denoiser())
    x = model.generate(6000, sampler=sampler, num_steps=256, seed=4)
    for place in range(0, 15, 3):
        pairs = np.zeros((8, 8))
        np.add.at(pairs, (x[:, place], x[:, place + 1]), 1)
        assert chi_square(pairs, source.neighbours()) > 2e-4
