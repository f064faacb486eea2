"""Rows of pairs: how many end tokens follow an answer, and what a model learns from them."""

import keras
import numpy as np
import pytest
from scipy import stats

import md4keras
from md4keras import data
from md4keras.tokenizers import CharacterTokenizer

pytestmark = pytest.mark.one_backend
LENGTH, END = 10, 0


def rows(max_ends=None):
    return data.PairRows(data.Rows("padded", LENGTH, end_token_id=END), max_ends)


def ends_of(batch) -> np.ndarray:
    """How many ends each row has; the rest of it is what it has to be."""
    tokens, real, given = (batch[name] for name in ("tokens", "padding_mask", "given"))
    for row, length in zip(tokens, real.sum(1), strict=True):
        stop = 1 + 2 * int(row[0])  # the prompt and its answer
        assert (row[1:stop] == row[0]).all() and (row[stop:] == END).all() and stop <= length
    np.testing.assert_array_equal(real, np.sort(real)[:, ::-1])  # padding is at the end
    np.testing.assert_array_equal(given.sum(1), np.ones(len(given)))
    return real.sum(1) - 1 - 2 * tokens[:, 0]


PAIRS = [([n], [n] * (2 * n)) for n in (1, 2, 3)]
MANY = PAIRS * 100  # Grain takes milliseconds to shuffle a few


@pytest.mark.parametrize("max_ends", [None, 1, 3])
def test_every_number_of_ends_that_fits_is_equally_likely(max_ends):
    most = {n: min(LENGTH - 1 - 2 * n, max_ends or LENGTH) for n in (1, 2, 3)}
    counts = {n: np.zeros(most[n], int) for n in most}
    dataset = iter(rows(max_ends).batches(MANY, 300, training=True, seed=3))
    for _ in range(10):
        batch = next(dataset)
        for n, ends in zip(batch["tokens"][:, 0], ends_of(batch), strict=True):
            counts[n][ends - 1] += 1
    for found in counts.values():
        assert found.sum() == 1000
        assert len(found) == 1 or stats.chisquare(found).pvalue > 1e-3


def test_one_end_follows_what_is_measured():
    for max_ends in (None, 5):
        (batch,) = rows(max_ends).batches(PAIRS, 3, training=False)
        np.testing.assert_array_equal(ends_of(batch), [1, 1, 1])


def test_no_end_follows_a_full_row_or_without_a_token_for_it():
    full = [([1] * 4, [2] * 6), ([1] * 4, [2] * 9)]
    batch = next(iter(rows().batches(full * 100, 8, training=True)))
    assert batch["padding_mask"].all() and (batch["tokens"][:, :4] == 1).all()
    none = data.PairRows(data.Rows("padded", LENGTH))
    batch = next(iter(none.batches(MANY, 30, training=True)))
    np.testing.assert_array_equal(batch["padding_mask"].sum(1), 1 + 2 * batch["tokens"][:, 0])


@pytest.mark.parametrize("max_ends", [0, -1, 1.5, "all"])
def test_bad_numbers_of_ends_are_refused(max_ends):
    with pytest.raises(ValueError, match="`?max_ends.*Received: max_ends="):
        rows(max_ends)


@pytest.mark.slow
def test_a_model_learns_to_stop_in_a_gap_of_any_length():
    """The answer to a letter is so many of it; the gap is longer, by one or more."""
    tokenizer = CharacterTokenizer("abcd", end_token=True)
    pairs = [(letter, letter * n) for n, letter in enumerate("abcd", 1)]
    encoded, length = data.encode_pairs(tokenizer, pairs) * 100, 8

    def share_right(max_ends):
        keras.utils.set_random_seed(1)
        padded = data.Rows.of_tokenizer("padded", length, tokenizer)
        dataset = data.PairRows(padded, max_ends).batches(encoded, 64, training=True, seed=1)
        network = md4keras.networks.Transformer(5, length, 1, 2, 16, time_features="none")
        model = md4keras.MD4(network)
        model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 400)))
        model.fit(dataset, steps_per_epoch=400, shuffle=False, verbose=0)
        right, prompts = [], np.arange(100) % 4
        for gap in (5, 6, 7):  # the longest answer and its end; more; the rest of the row
            tokens = np.full((100, 1 + gap), tokenizer.mask_token)
            tokens[:, 0] = prompts
            drawn = model.infill(tokens, tokens == tokenizer.mask_token, num_steps=gap, seed=gap)
            texts = tokenizer.decode(drawn)
            right += [text == "".join(pairs[i]) for text, i in zip(texts, prompts, strict=True)]
        return np.mean(right)

    shares = share_right(None), share_right(1)
    assert shares[0] > 0.8
    assert shares[1] < 0.5  # it fills gaps, as it has learnt
