"""Whole texts in windows: what is scored, what is given, and what it all costs."""

import numpy as np
import pytest

from md4keras import MD4
from md4keras.evaluation import rolling
from md4keras.evaluation.rolling import rolling_likelihood, rolling_rows, rolling_steps
from tests.evaluation.chains import Chain
from tests.models.tabular import FixedLogits

pytestmark = pytest.mark.one_backend

SIZES = [(n, w, s) for n in (1, 3, 7, 8, 9, 23, 64) for w in (1, 2, 8) for s in (1, 2, 5, 8)]


@pytest.mark.parametrize("length, window, stride", [each for each in SIZES if each[2] <= each[1]])
def test_each_token_is_scored_once_with_its_context_given(length, window, stride):
    text = np.arange(1, 1 + length)  # each token tells its place
    rows = rolling_rows(text, window, stride)
    real = rows.get("padding_mask", np.ones(rows["tokens"].shape, bool))
    assert rows["tokens"].shape == rows["given"].shape == real.shape == (len(real), window)
    assert ("padding_mask" in rows) == (length < window)
    scored = real & ~rows["given"]
    np.testing.assert_array_equal(rows["tokens"][scored], text)  # once, and in order
    new = scored.sum(axis=1)
    assert new[0] == min(length, window)
    assert (new[1:-1] == stride).all() and 1 <= new[-1] <= max(stride, new[0])
    for tokens, mask, number in zip(rows["tokens"], real, new, strict=True):
        np.testing.assert_array_equal(np.diff(tokens[mask]), 1)  # a stretch of the text
        first_new = tokens[mask][len(tokens[mask]) - number]
        assert (tokens[mask] < first_new).sum() == mask.sum() - number
    if len(new) > 1:
        assert (rows["given"][1:].sum(axis=1) >= window - stride).all()


def test_half_a_window_is_new_unless_said_otherwise():
    for window, stride in ((8, 4), (7, 3), (1, 1)):
        text = np.arange(30)
        expected, found = rolling_rows(text, window, stride), rolling_rows(text, window)
        np.testing.assert_array_equal(found["given"], expected["given"])


@pytest.mark.parametrize("stride", [1, 4, 7])
def test_windows_with_context_cost_what_the_text_costs(stride):
    """Of a Markov chain one token of context says all. The error of the sum at 5 standard errors:
    a wrong alarm in 2e6 texts, were it normal; that of 40 draws has heavier tails.
    """
    chain = Chain(8)
    texts = [*chain.texts(3, 21, seed=stride), *chain.texts(2, 5), *chain.texts(1, 8)]
    found = rolling_likelihood(chain.model, texts, stride, num_samples=40)
    exact = np.array([chain.nats(text) for text in texts])
    assert (np.abs(found.nats - exact) < 5 * found.error + 1e-3).all()
    assert (found.error < 0.1 * exact).all()
    assert (found.window, found.stride) == (8, stride)
    np.testing.assert_array_equal(found.tokens, [21, 21, 21, 5, 5, 8])


def test_windows_without_context_cost_what_they_cost_apart():
    chain = Chain(8)
    texts = chain.texts(4, 24)
    found = rolling_likelihood(chain.model, texts, stride=8, num_samples=40)
    apart = [sum(chain.nats(text[i : i + 8]) for i in (0, 8, 16)) for text in texts]
    assert (np.abs(found.nats - apart) < 5 * found.error + 1e-3).all()
    whole = np.array([chain.nats(text) for text in texts])
    assert np.sum(apart - whole) > 1.0  # which the windows above would have failed by


def test_a_row_costs_what_it_does_in_score():
    model = Chain(8).model
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 8, n) for n in (19, 8, 3)]
    found = rolling_likelihood(model, texts, stride=4, window=6, num_samples=4, seed=3)
    rows = [rolling_rows(text, 6, 4) for text in texts]
    counts = [len(each["tokens"]) for each in rows]
    assert counts == [5, 2, 1]
    tokens, given = (np.concatenate([each[name] for each in rows]) for name in ("tokens", "given"))
    mask = np.ones(tokens.shape, bool)
    mask[-1, 3:] = False
    batch = {"tokens": tokens, "given": given, "padding_mask": mask}
    nats, error = model.score(batch, num_samples=4, seed=3)
    begins = np.cumsum([0, *counts])[:-1]
    np.testing.assert_allclose(found.nats, np.add.reduceat(nats, begins), rtol=1e-6)
    np.testing.assert_allclose(found.error**2, np.add.reduceat(error**2, begins), rtol=1e-6)


def test_a_set_in_parts_costs_what_it_does_whole(monkeypatch):
    """The draws are those of the whole set, with texts that are padded and not."""
    model = Chain(8).model
    texts = ["abcdefgabc", "ab", "ga", "abcdefgaa", "a"]
    whole = rolling_likelihood(model, texts, num_samples=4, seed=3)
    monkeypatch.setattr(rolling, "PART", 2)
    parts = list(rolling_steps(model, texts, num_samples=4, seed=3))
    assert [len(part.nats) for part in parts] == [2, 2, 1]
    for name in ("nats", "error", "tokens"):
        found = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_allclose(found, getattr(whole, name), rtol=1e-5)


def test_what_cannot_be_scored_is_refused():
    for tokens in ([], [[1, 2]], [0.5], "text", [-1, 2], [2**31]):
        with pytest.raises(ValueError, match="`tokens` cannot be used.*Expected.*Received"):
            rolling_rows(tokens, 4)
    for window, stride in ((0, None), (4, 0), (4, 5), (4, 1.5), (2.0, 1)):
        with pytest.raises(
            ValueError, match="`(window|stride)` cannot be used.*Expected.*Received"
        ):
            rolling_rows([1, 2], window, stride)
    model = Chain(8).model
    model.tokenizer = None
    for texts, fault in (
        ([], "`texts` cannot be used"),
        ("a text", "`texts` cannot be used"),
        (None, "`texts` cannot be used"),
        ([5], "`text` cannot be used: wrong shape"),
        (["a text"], "needs a tokenizer"),
        ([[1, 2], []], "index 1 has no tokens"),
        ([[1, 8]], "out of range"),
    ):
        with pytest.raises(ValueError, match=f"{fault}.*Expected.*Received"):
            rolling_likelihood(model, texts)
    with pytest.raises(ValueError, match="This is not a model.*Received: None"):
        rolling_likelihood(None, ["a text"])
    images = MD4(FixedLogits(np.zeros(5), 8))
    images.network.data_shape = (8, 8, 1)
    with pytest.raises(ValueError, match="Expected a model of sequences.*data_shape="):
        rolling_likelihood(images, [[1, 2]])
