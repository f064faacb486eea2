"""Adaptive and planned samplers with all that sampling can do: gaps, guidance, filters, blocks."""

import numpy as np
import pytest

from md4keras import MD4, GenMD4, samplers
from md4keras.networks import Transformer, UNet
from tests.models.weights import randomised

TOP = samplers.TopK(2)
TEXT = [
    samplers.EntropyBound(filters=TOP, gamma=0.5),
    samplers.Klass(filters=TOP, threshold=0.3, divergence=0.5, history=1),
]


def text_model(kind=MD4, **network):
    return randomised(kind(Transformer(5, 12, num_layers=1, num_heads=2, feature_dim=8, **network)))


@pytest.fixture(scope="module")
def guided():
    return text_model(num_classes=3, label_dropout=0.1)


def gaps(shape):
    rng = np.random.default_rng(1)
    x, mask = rng.integers(0, 5, shape, "int32"), rng.random(shape) < 0.6
    mask[:, 0] = True
    return x, mask


@pytest.mark.parametrize("sampler", TEXT, ids=["entropy_bound", "klass"])
def test_gaps_of_a_text_are_filled_under_guidance(sampler, guided):
    x, mask = gaps((3, 12))
    rows = {"tokens": x, "given": ~mask, "label": np.array([0, 2, 1])}
    how = {"sampler": sampler, "num_steps": 20, "guidance_scale": 2.0, "seed": 2}
    states = list(guided.infill_steps(rows, **how))
    left = np.array([(state.tokens == 5).sum(axis=1) for state in states])  # [calls + 1, 3]
    assert (np.diff(left, axis=0)[left[:-1] > 0] < 0).all() and not left[-1].any()
    assert states[-1].calls == len(states) - 1 <= left[0].max()
    filled = guided.infill(rows, **how)
    np.testing.assert_array_equal(filled, states[-1].tokens)
    np.testing.assert_array_equal(filled[~mask], x[~mask])
    assert filled.min() >= 0 and filled.max() < 5


@pytest.mark.one_backend
def test_gaps_of_an_image_are_filled_under_guidance():
    network = UNet(5, (4, 3, 1), num_layers=0, feature_dim=64, num_classes=2, label_dropout=0.1)
    model, (x, mask) = randomised(MD4(network)), gaps((2, 4, 3, 1))
    for sampler in (samplers.Halton(filters=TOP), TEXT[0]):
        how = {"sampler": sampler, "labels": [0, 1], "guidance_scale": 2.0, "num_steps": 5}
        filled = model.infill(x, mask, **how)
        np.testing.assert_array_equal(filled[~mask], x[~mask])
        assert filled.min() >= 0 and filled.max() < 5


@pytest.mark.one_backend
@pytest.mark.parametrize("sampler", TEXT, ids=["entropy_bound", "klass"])
def test_texts_of_any_length_are_drawn_block_by_block(sampler, guided):
    how = {"sampler": sampler, "num_steps": 6, "labels": [0, 2]}
    blocks = list(guided.generate_blocks(2, length=14, block_length=7, **how))
    assert [block.shape for block in blocks] == [(2, 7), (2, 7)]
    assert min(map(np.min, blocks)) >= 0 and max(map(np.max, blocks)) < 5
    prompted = guided.generate(prompt=[[1, 2], [3]], length=6, block_length=3, temperature=0, **how)
    assert [row[:2].tolist() for row in prompted[:1]] == [[1, 2]] and prompted[1][0] == 3


@pytest.mark.one_backend
@pytest.mark.parametrize("sampler", TEXT, ids=["entropy_bound", "klass"])
def test_they_draw_from_a_schedule_per_token_too(sampler):
    x, mask = gaps((3, 12))
    filled = text_model(GenMD4).infill(x, mask, sampler=sampler, num_steps=20)
    np.testing.assert_array_equal(filled[~mask], x[~mask])
    assert filled.min() >= 0 and filled.max() < 5
