"""Rows and columns that are added so that few shapes are compiled: they change nothing."""

import numpy as np
import pytest

from md4keras import MD4, GenMD4, backend
from md4keras.models import padding
from md4keras.networks import Transformer
from tests.models.weights import randomised

NAMES = ["ancestral", "top_p", "event", "first_hitting", "confidence", "remasking"]


def text_model(kind=MD4, **network):
    return randomised(kind(Transformer(5, 12, num_layers=1, num_heads=2, feature_dim=8, **network)))


@pytest.fixture(scope="module")
def plain():
    return text_model()


def check(monkeypatch, function, *arguments, **settings):
    """The states of a run are those of one without padding, `calls` and all."""
    settings = {"num_steps": 7, "seed": 5} | settings
    found = []
    for padded in (False, True):
        monkeypatch.setattr(backend, "COMPILES_EACH_SHAPE", padded)
        found.append(list(function(*arguments, **settings)))
    assert len(found[0]) == len(found[1]) > 2
    for alone, together in zip(*found, strict=True):
        np.testing.assert_array_equal(alone.tokens, together.tokens)
        assert alone[1:] == together[1:]
    return found[1][-1].tokens


@pytest.mark.parametrize("sampler", NAMES)
def test_padding_changes_nothing(sampler, plain, monkeypatch):
    """Seven rows of five tokens, where eight of six are compiled."""
    tokens = check(monkeypatch, plain.sample_steps, 7, sampler=sampler, data_shape=5)
    assert tokens.shape == (7, 5)
    whole = plain.generate(7, sampler=sampler, data_shape=5, num_steps=7, seed=5)
    np.testing.assert_array_equal(tokens, whole)


@pytest.mark.parametrize("sampler", ["ancestral", "event", "confidence"])
def test_padding_changes_nothing_round_given_tokens(sampler, plain, monkeypatch):
    rng = np.random.default_rng(0)
    x, mask = rng.integers(0, 5, (5, 7), "int32"), rng.random((5, 7)) < 0.4
    mask[:, 0] = True
    tokens = check(monkeypatch, plain.infill_steps, x, mask, sampler=sampler)
    np.testing.assert_array_equal(tokens[~mask], x[~mask])


@pytest.mark.parametrize("sampler", ["ancestral", "event"])
def test_padding_changes_nothing_with_labels_and_guidance(sampler, monkeypatch):
    model = text_model(num_classes=3, label_dropout=0.1)
    settings = {"labels": np.arange(5) % 3, "guidance_scale": 2.0, "data_shape": 7}
    check(monkeypatch, model.sample_steps, 5, sampler=sampler, **settings)


def test_padding_changes_nothing_with_a_schedule_per_value(monkeypatch):
    model = text_model(GenMD4)
    model.schedule.theta.assign(np.linspace(-0.5, 2.0, 5))
    mask = np.arange(7) % 3 == 0
    check(monkeypatch, model.infill_steps, np.ones((5, 7), "int32"), mask)


@pytest.mark.one_backend
def test_sizes_share_what_is_compiled():
    model = text_model()
    shapes = []
    network_logits = model.network_logits

    def counted(z, *rest, **settings):
        shapes.append(tuple(z.shape))
        return network_logits(z, *rest, **settings)

    model.network_logits = counted
    for count in (13, 14, 16):
        for length in (7, 9, 11, 12):
            model.generate(count, num_steps=2, data_shape=length)
    # Traced once for each; the training length twice, with padding and as it is.
    assert shapes == [(16, 8), (16, 12), (16, 12)]


@pytest.mark.parametrize("size", range(1, 200))
def test_at_most_half_is_added(size):
    padded = padding.padded_size(size)
    assert size <= padded <= 1.5 * size
    assert padding.padded_size(padded) == padded
    assert len({padding.padded_size(each) for each in range(1, size + 1)}) <= 16
