"""More rows than samples: the same samples, states and numbers of calls, and less to compile."""

import numpy as np
import pytest

from md4keras import MD4, GenMD4
from md4keras.networks import Transformer
from tests.models.weights import randomised

NAMES = ["ancestral", "top_p", "event", "first_hitting", "confidence", "remasking"]


def text_model(kind=MD4, **network):
    return randomised(kind(Transformer(5, 12, num_layers=1, num_heads=2, feature_dim=8, **network)))


@pytest.fixture(scope="module")
def plain():
    return text_model()


def both(function, *arguments, pad_to=8, **settings):
    """What a function returns without and with padding, and what it tells of its steps."""
    found = []
    for rows in (None, pad_to):
        steps = []
        returned = function(
            *arguments,
            **{"num_steps": 7, "seed": 5, "return_network_calls": True} | settings,
            return_trajectory=True,
            on_step=lambda *step, steps=steps: steps.append(step),
            pad_to=rows,
        )
        found.append((*returned, steps))
    return found


def assert_equal(alone, padded):
    tokens, states, calls, steps = padded
    for one, other in zip(alone[:3], padded[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert [step[:2] for step in steps] == [step[:2] for step in alone[3]]
    assert all(len(step[2]) == len(tokens) for step in steps) and states.shape[1] == len(tokens)


@pytest.mark.parametrize("sampler", NAMES)
def test_padding_changes_nothing(sampler, plain):
    assert_equal(*both(plain.generate, 3, sampler=sampler))
    tokens, calls = plain.generate(
        3, sampler=sampler, num_steps=7, seed=5, return_network_calls=True, pad_to=4
    )
    again, counted = plain.generate(
        3, sampler=sampler, num_steps=7, seed=5, return_network_calls=True
    )
    np.testing.assert_array_equal(tokens, again)
    assert calls == counted


@pytest.mark.parametrize("sampler", ["ancestral", "event"])
def test_padding_changes_nothing_round_given_tokens(sampler, plain):
    rng = np.random.default_rng(0)
    x, mask = rng.integers(0, 5, (3, 12), "int32"), rng.random((3, 12)) < 0.4
    mask[:, 0] = True
    assert_equal(*both(plain.infill, x, mask, sampler=sampler))


def test_padding_changes_nothing_with_labels_and_guidance():
    model = text_model(num_classes=3, label_dropout=0.1)
    settings = {"labels": np.arange(3), "guidance_scale": 2.0}
    assert_equal(*both(model.generate, 3, **settings))


def test_padding_changes_nothing_with_a_schedule_per_value():
    model = text_model(GenMD4)
    model.schedule.theta.assign(np.linspace(-0.5, 2.0, 5))
    mask = np.arange(12) % 3 == 0
    assert_equal(*both(model.infill, np.ones((3, 12), "int32"), mask))


@pytest.mark.one_backend
def test_sizes_share_what_is_compiled(plain):
    model = text_model()
    shapes = []
    network_logits = model.network_logits
    model.network_logits = lambda z, *rest: shapes.append(z.shape) or network_logits(z, *rest)
    for count in (1, 3, 5, 8):
        model.generate(count, num_steps=2, pad_to=8)
    assert shapes == [(8, 12)]  # traced once


@pytest.mark.parametrize("rows", [2, 0, True, 4.0, "8"])
def test_refuses_what_leaves_no_room(rows, plain):
    with pytest.raises(ValueError, match="pad_to"):
        plain.generate(3, pad_to=rows)
