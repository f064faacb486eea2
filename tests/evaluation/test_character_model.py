import math

import numpy as np
import pytest

from md4keras.evaluation import causal
from md4keras.evaluation.baselines import NGram
from md4keras.evaluation.character_model import CharacterModel
from md4keras.evaluation.text_report import TextReport
from md4keras.tokenizers import CharacterTokenizer

pytestmark = pytest.mark.one_backend

TEXTS = ["abcabcab", "abccba" * 30]
JUDGE = CharacterModel(TEXTS, order=2)


def test_characters_cost_what_the_n_gram_model_says():
    numbers = [["abc".index(character) for character in text] for text in TEXTS]
    model = NGram(2).fit(np.concatenate(numbers), 4)
    found = JUDGE.perplexity(["abc", "", "cab"])
    assert found.nats == pytest.approx(model.nats([0, 1, 2]).sum() + model.nats([2, 0, 1]).sum())
    assert (found.tokens, found.texts, found.unscored) == (6, 3, 1)
    assert found.perplexity == pytest.approx(math.exp(found.nats / 6)) and found.standard_error > 0


def test_characters_that_it_does_not_know_cost_a_finite_amount():
    found = JUDGE.perplexity(["a\N{SNOWMAN}", "\N{GRINNING FACE}"])
    assert found.tokens == 3 and math.isfinite(found.nats)
    assert found.perplexity > JUDGE.perplexity(["ab"]).perplexity


def test_a_report_takes_it_without_references():
    tokenizer, tokens = CharacterTokenizer("abc"), [[0, 1, 2], [2, 2, 2]]
    found = TextReport(tokenizer, JUDGE)(tokens)
    assert found["generative_perplexity"] == JUDGE.perplexity(["abc", "ccc"]).perplexity
    with pytest.raises(ValueError, match="lacks .'features'.*without references"):
        TextReport(tokenizer, JUDGE, references=["abc"])
    with pytest.raises(ValueError, match="lacks .'perplexity'"):
        TextReport(tokenizer, "gpt2")


@pytest.mark.parametrize("texts", [[], "abc", [b"abc"], None])
def test_what_are_no_texts_is_refused(texts):
    for use in (CharacterModel, JUDGE.perplexity):
        with pytest.raises(ValueError, match="`texts` cannot be read"):
            use(texts)


def test_an_impossible_order_is_refused():
    with pytest.raises(ValueError, match="order=0"):
        CharacterModel(TEXTS, order=0)
    assert isinstance(JUDGE.perplexity(["a"]), causal.GenerativePerplexity)
