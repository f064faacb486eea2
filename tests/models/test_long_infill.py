"""Gaps in texts longer than the training length: every one is filled, the rest stays."""

import numpy as np
import pytest

from md4keras import MD4
from md4keras.evaluation.candidates import long_candidate_steps
from md4keras.models import long_infill
from md4keras.networks import Transformer

pytestmark = pytest.mark.one_backend

LENGTH = 32  # of the tiny model
SETTINGS = {"seed": 3, "num_steps": 2}


@pytest.fixture(scope="module")
def model():
    return MD4(Transformer(27, LENGTH, num_layers=1, num_heads=2, feature_dim=8))


@pytest.mark.parametrize("total", [1, 31, 32, 33, 40, 64, 200])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_windows_reach_every_gap_once_with_text_on_both_sides(total, share):
    mask = np.random.default_rng(total).random(total) < share
    mask[-1] = True
    filled = np.zeros(total, int)
    for begin, first, last in long_infill.windows(mask, LENGTH):
        end = min(begin + LENGTH, total)
        assert 0 <= begin <= first < last <= end and mask[first]
        assert first - begin >= LENGTH // 4 or begin == 0
        assert end - last >= LENGTH // 4 or end == total
        assert begin == 0 or end - begin == LENGTH  # one shape
        filled[first:last] += 1
    assert (filled[mask] == 1).all() and filled.max() == 1


def test_a_long_text_is_filled_and_what_was_given_stays(model):
    tokens = np.random.default_rng(0).integers(0, 27, (2, 100))
    mask = np.zeros(100, bool)
    mask[[0, 1, 30, 50, 51, 52, 99]] = True
    states = list(long_infill.infill_steps(model, tokens, mask, None, LENGTH, SETTINGS))
    last = states[-1]
    assert (last.tokens[:, ~mask] == tokens[:, ~mask]).all()
    assert (last.tokens < model.mask_token).all()
    calls = [state.calls for state in states]
    assert calls == sorted(calls)
    assert all(state.calls <= state.most_calls for state in states)
    *_, (found, asked, most) = long_candidate_steps(model, last.tokens[0], mask, None, LENGTH)
    assert (found.positions == np.flatnonzero(mask)).all() and asked == most
    assert len(found.probability) == len(found.values) == mask.sum()


def test_a_short_text_is_filled_as_the_model_does(model):
    tokens, mask = np.full((2, 20), 5), np.arange(20) % 2 == 0
    *_, last = long_infill.infill_steps(model, tokens, mask, None, LENGTH, SETTINGS)
    expected = model.infill(tokens, np.broadcast_to(mask, tokens.shape), **SETTINGS)
    assert (last.tokens == expected).all()
