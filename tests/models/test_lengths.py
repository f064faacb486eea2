"""Texts and prompts of different lengths that are drawn together: each gets what it gets alone."""

import numpy as np
import pytest

from md4keras import MD4, GenMD4
from md4keras.models import long_infill
from md4keras.networks import Transformer, UNet
from tests.models.weights import randomised

V, L = 5, 8
LENGTHS = [8, 5, 1, 3, 12]
SLOW = pytest.mark.slow


def make(kind=MD4, **network):
    network = {"num_layers": 1, "remat": None} | network
    model = randomised(kind(Transformer(V, L, num_heads=2, feature_dim=8, **network)))
    if kind is GenMD4:
        model.schedule.theta.assign(np.linspace(-0.5, 1.5, V))
    return model


@pytest.fixture(scope="module")
def model():
    return make()


def check_alone(found, lengths, alone, looked_at=None):
    """Text `i` is row `i` of what `alone(n)` draws, all of whose texts have `n` tokens.

    (Some are `looked_at` where the programs for so many shapes take their time.)
    """
    assert isinstance(found, list) and [len(text) for text in found] == list(lengths)
    for i, (text, n) in enumerate(zip(found, lengths, strict=True)):
        assert text.dtype == "int32" and text.max() < V
        if n in (looked_at or lengths):
            np.testing.assert_array_equal(text, alone(n)[i])


OTHERS = ("event", "confidence", "top_p", "first_hitting", "remasking")


@pytest.mark.parametrize("sampler", ["ancestral", *(pytest.param(n, marks=SLOW) for n in OTHERS)])
def test_texts_of_five_lengths_are_drawn_as_each_alone(sampler, model):
    how = {"sampler": sampler, "num_steps": 4, "seed": 3}
    found = model.generate(5, length=np.array(LENGTHS), **how)
    check_alone(found, LENGTHS, lambda n: model.generate(5, length=n, **how), (3, 12))


def test_the_states_of_a_run_have_those_lengths_too(model):
    how = {"length": LENGTHS, "num_steps": 4, "seed": 3}
    states = [state.tokens for state in model.sample_steps(5, **how)]
    assert all([len(text) for text in texts] == LENGTHS for texts in states)
    assert all((text == V).all() for text in states[0])
    for before, after in zip(states, states[1:], strict=False):
        for old, new in zip(before, after, strict=True):
            np.testing.assert_array_equal(new[old < V], old[old < V])
    for stepped, whole in zip(states[-1], model.generate(5, **how), strict=True):
        np.testing.assert_array_equal(stepped, whole)


def test_with_a_schedule_per_value():
    model, lengths = make(GenMD4), (3, 8)
    found = model.generate(2, length=lengths, num_steps=4)
    check_alone(found, lengths, lambda n: model.generate(2, length=n, num_steps=4), (3,))


def test_with_classes_and_guidance():
    model, lengths = make(num_classes=3, label_dropout=0.1), (3, 8)
    how = {"labels": [2, 0], "guidance_scale": 2.0, "num_steps": 4}
    found = model.generate(2, length=lengths, **how)
    check_alone(found, lengths, lambda n: model.generate(2, length=n, **how), (3,))


def test_several_lengths_that_are_the_same_are_a_list_too(model):
    found = model.generate(2, length=[4, 4], num_steps=2)
    check_alone(found, [4, 4], lambda n: model.generate(2, length=n, num_steps=2))


@pytest.mark.parametrize("kind", [MD4, pytest.param(GenMD4, marks=SLOW)])
def test_prompts_of_different_lengths_go_on_as_each_alone(kind):
    """Also one that is none, and one that is longer than the training length."""
    model = make(kind)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, V, n) for n in (3, 0, 11, 1)]
    how = {"block_length": 4, "num_steps": 3, "seed": 6}
    blocks = list(model.generate_blocks(length=8, prompt=prompts, **how))
    blocks = np.concatenate(blocks, axis=1)
    assert blocks.shape == (4, 8) and 0 <= blocks.min() <= blocks.max() < V
    for i in (1, 2):
        alone = list(model.generate_blocks(4, 8, prompt=prompts[i], **how))
        np.testing.assert_array_equal(np.concatenate(alone, axis=1)[i], blocks[i])


def test_long_texts_of_different_lengths_are_filled_as_each_alone(model):
    """They take different numbers of windows."""
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, V, n) for n in (30, 4, 17)]
    masks = [rng.random(len(text)) < 0.4 for text in texts]
    how = {"num_steps": 2, "seed": 5}
    states = list(long_infill.infill_steps(model, texts, masks, settings=how))
    counts = {len(long_infill.windows(mask, L)) for mask in masks}
    assert len(counts) == 3 and states[-1].calls <= states[-1].most_calls
    for i, (text, mask, found) in enumerate(zip(texts, masks, states[-1].tokens, strict=True)):
        np.testing.assert_array_equal(found[~mask], text[~mask])
        rows = np.tile(text, (3, 1))
        *_, alone = long_infill.infill_steps(model, rows, mask, settings=how)
        np.testing.assert_array_equal(found, alone.tokens[i])


def test_each_row_has_gaps_of_its_own(model):
    texts = np.random.default_rng(0).integers(0, V, (2, 20))
    masks = np.arange(20) % np.array([[3], [7]]) == 0
    states = list(long_infill.infill_steps(model, texts, masks, settings={"num_steps": 2}))
    found = states[-1].tokens
    assert found.shape == (2, 20)
    np.testing.assert_array_equal(found[~masks], texts[~masks])


class TestMistakes:
    @pytest.mark.parametrize(
        "length, message",
        [
            ([3, 4], r"`length` cannot be used: wrong shape.*\[3\].*a number of tokens for each"),
            ([3, 4, 0.5], "`length` cannot be used: wrong type"),
            ([3, [4], 5], "`length` cannot be used: its rows differ"),
            ([3, 4, 0], "`length` cannot be used.*at least 1. Received: length=0"),
            ([True, True, True], "`length` cannot be used: wrong type"),
            (2.5, "`length` cannot be used.*length=2.5"),
            ("four", "`length` cannot be used.*length='four'"),
        ],
    )
    def test_lengths_that_are_none(self, length, message, model):
        for call in (model.generate, model.sample_steps):
            with pytest.raises(ValueError, match=message):
                call(3, length=length)

    def test_lengths_of_something_else(self, model):
        image = MD4(UNet(4, (4, 4, 1), num_layers=0, feature_dim=64))
        with pytest.raises(ValueError, match="`length` is the shape of a text"):
            image.generate(2, length=[3, 4])
        with pytest.raises(ValueError, match="no `data_shape`.*data_shape=8, .*Leave"):
            model.generate(2, length=[3, 4], data_shape=8)
        with pytest.raises(ValueError, match="at most 8. Received: length=9"):
            make(positions="learned").generate(2, length=[3, 9])

    def test_a_network_that_takes_no_padding(self, monkeypatch, model):
        monkeypatch.setattr(type(model.network), "takes_padding_mask", False)
        with pytest.raises(ValueError, match="takes no 'padding_mask'"):
            model.generate(2, length=[3, 4])
        assert [len(text) for text in model.generate(2, length=[3, 3], num_steps=2)] == [3, 3]

    def test_prompts_that_do_not_fit(self, model):
        with pytest.raises(ValueError, match=r"a list of 3. Received: shape=\(2, 4\)"):
            model.generate_blocks(3, 9, prompt=[[1, 2], [1, 2, 3, 4]])
        with pytest.raises(ValueError, match="`prompt` cannot be used.*from 0 to 5"):
            model.generate_blocks(2, 9, prompt=[[1, 2], [1, 2, 5]])
        with pytest.raises(ValueError, match="block_length < 8"):
            model.generate_blocks(2, 8, prompt=[[], [1]], block_length=8)

    def test_a_text_without_a_gap(self, model):
        rows, masks = [np.ones(3, int), np.ones(9, int)], [np.ones(3, bool), np.zeros(9, bool)]
        with pytest.raises(ValueError, match="nothing to fill in row 1"):
            next(long_infill.infill_steps(model, rows, masks))
        with pytest.raises(ValueError, match="`mask` does not fit the rows"):
            next(long_infill.infill_steps(model, rows, masks[:1] * 2))
