"""What answers cost given their prompts, and which of several costs least."""

import numpy as np
import pytest

from md4keras import MD4, data
from md4keras.evaluation.answers import (
    answer_likelihood,
    answer_rows,
    encode_answers,
    multiple_choice,
)
from md4keras.evaluation.continuations import continue_until, is_likeliest
from md4keras.tokenizers import CharacterTokenizer
from tests.evaluation.chains import Chain
from tests.models.tabular import FixedLogits

pytestmark = pytest.mark.one_backend

LENGTH = 8
END = 7


@pytest.fixture(scope="module")
def chain():
    return Chain(LENGTH)


@pytest.fixture(scope="module")
def ending():
    """A model of the letters a to g and of the end of a text."""
    return Chain(LENGTH, end_token=True).model


def test_answers_cost_their_conditional_probability(chain):
    """With prompts that fit, that are cut, and none; 5 standard errors, see test_rolling.py."""
    lengths = [(0, 3), (1, 1), (4, 4), (7, 1), (14, 1), (25, 5), (25, 7), (1, 2)]
    texts = chain.texts(len(lengths), 40, seed=1)
    pairs = [(t[:n], t[n : n + m]) for t, (n, m) in zip(texts, lengths, strict=True)]
    found = answer_likelihood(chain.model, pairs, num_samples=128)
    exact = np.array([chain.nats(answer, prompt) for prompt, answer in pairs])
    assert (np.abs(found.nats - exact) < 5 * found.error + 1e-3).all()
    assert found.error.max() < 0.5
    np.testing.assert_array_equal(found.tokens, [m for _, m in lengths])
    np.testing.assert_array_equal(found.cut, [max(0, n + m - LENGTH) for n, m in lengths])


def test_texts_and_their_tokens_cost_the_same(ending):
    """And as in `score`, whatever stands in the same call; the end token is a part of an answer."""
    pairs = [("abcd", "efg"), ("", "ga"), ("abcdefga", "ab"), ("aaaaaaaaaaaaa", "bb")]
    how = {"num_samples": 4, "seed": 5}
    found = answer_likelihood(ending, pairs, **how)
    encoded = encode_answers(ending, pairs)
    assert [answer[-1] for _, answer in encoded] == [END] * 4
    tokens = answer_likelihood(ending, encoded, **how)
    np.testing.assert_array_equal(found.nats, tokens.nats)
    np.testing.assert_array_equal(found.tokens, [4, 3, 3, 3])
    np.testing.assert_array_equal(found.cut, [0, 0, 3, 8])
    nats, error = ending.score(answer_rows(encoded, LENGTH), **how)
    np.testing.assert_allclose(found.nats, nats, rtol=1e-5)
    np.testing.assert_allclose(found.error, error, rtol=1e-5)
    parts = [answer_likelihood(ending, pairs[i : i + 2], True, 4, 5, 64, i) for i in (0, 2)]
    np.testing.assert_allclose(np.concatenate([p.nats for p in parts]), found.nats, rtol=1e-5)
    open_ended = answer_likelihood(ending, pairs, end=False, **how)
    np.testing.assert_array_equal(open_ended.tokens, [3, 2, 2, 2])


def test_rows_are_those_of_training(ending):
    """`data.PairRows` makes the same of a pair that fits: what is attended to, and what scored."""
    pairs = [("abc", "de"), ("", "g"), ("a", "bcdef")]
    encoded = data.encode_pairs(ending.tokenizer, pairs)
    padded = data.Rows.of_tokenizer("padded", LENGTH, ending.tokenizer)
    (batch,) = data.PairRows(padded).batches(encoded, len(pairs), training=False)
    rows = answer_rows(encode_answers(ending, pairs), LENGTH)
    for i, (tokens, given) in enumerate(zip(rows["tokens"], rows["given"], strict=True)):
        assert batch["padding_mask"][i].sum() == len(tokens)
        np.testing.assert_array_equal(batch["tokens"][i, : len(tokens)], tokens)
        np.testing.assert_array_equal(batch["given"][i, : len(tokens)], given)


@pytest.mark.parametrize("normalize", ["none", "token", "character", "byte"])
def test_the_likeliest_choice_is_chosen(chain, normalize):
    """Costs within 5 of their standard errors; choices apart by more are told from another."""
    questions = [
        ("abchg", ["g", "eee", "aa"]),
        ("hggg", ["ggg", "gggg"]),
        ("gfbddb", [[0, 1], [3, 1], [3]]),
    ]
    found = multiple_choice(chain.model, questions, normalize, num_samples=128)
    for i, (prompt, choices) in enumerate(questions):
        texts = [c if isinstance(c, str) else chain.model.tokenizer.decode(c) for c in choices]
        sizes = np.array([1 if normalize == "none" else len(text) for text in texts])
        exact = np.array([chain.nats(text, prompt) for text in texts]) / sizes
        np.testing.assert_allclose(found.costs[i], found.nats[i] / sizes)
        assert (np.abs(found.costs[i] - exact) < 5 * found.error[i] / sizes + 1e-3).all()
        order = np.argsort(found.costs[i])
        assert found.chosen[i] == order[0]
        assert found.margin[i] == pytest.approx(np.diff(found.costs[i][order])[0])
        if found.decided[i]:
            assert found.chosen[i] == exact.argmin()
    assert found.decided[0] and len(found.nats) == 3


def test_equal_choices_are_not_decided(chain):
    found = multiple_choice(chain.model, [("ab", ["cd", "cd", "cd"])], num_samples=8)
    assert not found.decided[0]
    assert len(set(found.nats[0])) > 1  # each has draws of its own


def test_bytes_are_those_of_utf8():
    model = MD4(FixedLogits(np.zeros(3), 6))
    model.tokenizer = CharacterTokenizer("aéе")
    found = multiple_choice(model, [("a", ["éе", "aa"])], "byte", num_samples=2)
    np.testing.assert_allclose(found.costs[0], found.nats[0] / [4, 2])


def test_greedy_is_what_filling_the_surest_first_gives(chain):
    prompts = chain.texts(6, 7, seed=2)
    pairs = [(p, chain.likeliest_first(p, 1 + i % 3)) for i, p in enumerate(prompts)]
    others = [(p, "e" if answer != "e" else "a") for p, answer in pairs[::3]]
    rows = answer_rows(encode_answers(chain.model, pairs + others), LENGTH)
    found = is_likeliest(chain.model, rows, batch_size=4)
    np.testing.assert_array_equal(found, [True] * 6 + [False] * 2)


def test_a_continuation_stops_before_the_first_of_its_strings(chain):
    prompts = [[7, 6], [0], []]
    how = {"block_length": 4, "num_steps": 4, "seed": 1}
    tokens = [np.asarray(prompt, "int32") for prompt in prompts]
    blocks = chain.model.generate_blocks(3, 12, prompt=tokens, **how)
    whole = chain.model.tokenizer.decode(np.concatenate(list(blocks), axis=1))
    assert continue_until(chain.model, prompts, [], 12, how) == whole
    for stops in (["gg"], ["d", "h"], ["zz"]):
        wanted = [min((text.split(stop)[0] for stop in stops), key=len) for text in whole]
        assert continue_until(chain.model, prompts, stops, 12, how) == wanted


def test_an_end_token_ends_a_continuation(ending, monkeypatch):
    """And nothing more is drawn once all texts have ended."""
    drawn = []

    def blocks(num_samples, length, prompt=None):
        for block in ([[0, 1], [2, END]], [[3, END], [4, 4]], [[5, 5], [5, 5]]):
            drawn.append(block)
            yield np.array(block, "int32")

    monkeypatch.setattr(ending, "generate_blocks", blocks)
    assert continue_until(ending, [[1], [1]], [], 6, {}) == ["abd", "c"]
    assert len(drawn) == 2


def test_what_is_no_question_is_refused(ending):
    for pairs, fault in (
        ([], "`pairs` cannot be used. Expected a list of at least 1"),
        (None, "`pairs` cannot be used"),
        ("ab", "`pairs` cannot be used"),
        (["ab"], r"`pairs\[0\]` is no pair"),
        ([5], r"`pairs\[0\]` is no pair"),
        ([("a", "b"), ("a", "b", "c")], r"`pairs\[1\]` is no pair"),
        ([("a", 5)], "`answer` cannot be used: wrong shape"),
        ([(None, "a")], "`prompt` cannot be used: wrong type"),
        ([("a", "b"), ("a", "")], "index 1 has no tokens"),
        ([("a", "abcdefgab")], "index 0 cannot be scored. Expected 1 to 8 tokens"),
        ([([8], [1])], "`prompt` cannot be used: values out of range"),
    ):
        with pytest.raises(ValueError, match=f"{fault}.*Received"):
            answer_likelihood(ending, pairs)
    for questions, settings, fault in (
        ([("a", ["b", "c"]), ("a", ["b"])], {}, r"`questions\[1\]\[1\]`.*list of at least 2"),
        ([("a", "xyz")], {}, r"`questions\[0\]\[1\]`.*list of at least 2"),
        ([("a", ["x", "y"], 1)], {}, r"`questions\[0\]` is no pair"),
        ("ab", {}, "`questions` cannot be used"),
        ([], {}, "`questions` cannot be used"),
        ([("a", ["b", "c"])], {"normalize": "word"}, "Unknown `normalize`"),
        ([("a", [[END], [1]])], {"normalize": "byte", "num_samples": 2}, "has no byte"),
    ):
        with pytest.raises(ValueError, match=f"{fault}.*Received"):
            multiple_choice(ending, questions, **settings)
    with pytest.raises(ValueError, match="This is not a model.*Received: None"):
        answer_likelihood(None, [("a", "b")])
