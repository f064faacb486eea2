import math
from pathlib import Path

import numpy as np
import pytest

import md4keras
from md4keras.evaluation import causal, text_report
from md4keras.evaluation.text_report import TextReport
from md4keras.tokenizers import CharacterTokenizer
from tests.evaluation import tiny_gpt2
from tests.models.tabular import FixedLogits

pytestmark = pytest.mark.one_backend

THEIRS = np.load(Path(__file__).with_name("reference_numbers.npz"))
TOKENIZER = CharacterTokenizer("abc", end_token=True)
END = TOKENIZER.end_token_id
SAMPLES = np.array(
    [[0, 1, 0, 1, END, 2, 2, 2], [2, 1, 0, 2, 2, 1, 0, 0], [2, END, 0, 0, 0, 0, 0, 0]]
)


class Reader:
    """Stands in for a causal model: a nat for each character, features of the first two."""

    def perplexity(self, texts):
        tokens = sum(map(len, texts))
        return causal.GenerativePerplexity(math.e, 0.1, tokens, tokens, len(texts), 1)

    def features(self, texts):
        return np.array([[ord(text[0]), len(text)] for text in texts], "float32")


def test_all_figures_stand_together(monkeypatch):
    monkeypatch.setattr(text_report, "mauve", lambda one, other: one[0, 1] / other[0, 1])
    found = TextReport(TOKENIZER, Reader(), references=["abcabcab"])(SAMPLES)
    assert found["generative_perplexity"] == math.e and found["mauve"] == 0.5  # "abab"
    assert found["samples"] == 3 and found["references"] == 1
    assert found["tokens_per_sample"] == (5 + 8 + 2) / 3  # what follows an end does not count
    assert found["distinct_1"] == 4 / 15
    assert found["distinct_samples"] == 1.0
    assert found["repeated_8grams"] == 0.0
    assert 0.0 < found["self_bleu"] < 1.0 < found["unigram_entropy"] < 2.0
    assert len(found["warnings"]) == 2
    alone = TextReport(TOKENIZER)(SAMPLES)
    assert alone == {name: found[name] for name in alone if name != "warnings"} | {"warnings": []}


def test_samples_may_be_lists():
    rows = [[0, 1, 0, 1, END], SAMPLES[1], [2, END]]
    assert TextReport(TOKENIZER)(rows) == TextReport(TOKENIZER)(SAMPLES)


def test_names_a_tokenizer_that_does_not_match():
    model = md4keras.MD4(FixedLogits(np.zeros(27), 8))
    with pytest.raises(ValueError, match=r"does not match.*of 27 tokens.*Received: tokenizer of 4"):
        TextReport(TOKENIZER).check(model)
    TextReport(CharacterTokenizer()).check(model)
    with pytest.raises(ValueError, match=r"out of range.*take the tokenizer that encoded"):
        TextReport(TOKENIZER)(SAMPLES + 9)
    with pytest.raises(ValueError, match=r"not a tokenizer.*Received: None.*model\.tokenizer"):
        TextReport(None)


def test_names_what_is_missing():
    with pytest.raises(ValueError, match=r"Expected `causal` along with.*causal=None"):
        TextReport(TOKENIZER, references=["abc"])
    with pytest.raises(ValueError, match=r"`tokens` cannot be used.*Pass what `generate` returns"):
        TextReport(TOKENIZER)([])
    for tokens, fault in ((np.zeros((2, 2, 2, 3), int), "wrong shape"), ([[0, 4], [1]], "range")):
        with pytest.raises(
            ValueError, match=rf"`tokens` cannot.*{fault}.*\[n, length\] in \[0, 4\)"
        ):
            TextReport(TOKENIZER)(tokens)
    with pytest.raises(ValueError, match=r"at least 2 of them. Received: 1"):
        TextReport(TOKENIZER)(SAMPLES[:1])


def test_names_the_package_of_mauve(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mauve", None)
    with pytest.raises(ImportError, match="pip install mauve-text"):
        text_report.mauve(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match=r"`references` cannot be used.*at least 2"):
        text_report.mauve(np.eye(3), [])
    with pytest.raises(ValueError, match="`num_buckets` cannot be used"):
        text_report.mauve(np.eye(3), np.eye(3), num_buckets=1)
    with pytest.raises(ValueError, match="`seed` cannot be used"):
        text_report.mauve(np.eye(3), np.eye(3), seed=-1)


@pytest.mark.slow  # PyTorch, Faiss and KerasHub in one process
def test_mauve_is_that_of_its_package(tmp_path):
    pytest.importorskip("mauve")
    reader = causal.CausalModel(tiny_gpt2.save_preset(tmp_path / "gpt2"))
    report = TextReport(tiny_gpt2.tokenizer(), reader, references=tiny_gpt2.REFERENCES)
    found = report([tiny_gpt2.tokenizer().encode(text) for text in tiny_gpt2.GENERATED])
    assert found["mauve"] == pytest.approx(float(THEIRS["mauve"]), rel=1e-6)
    features = reader.features(tiny_gpt2.GENERATED)
    assert text_report.mauve(features, features) == pytest.approx(1.0)
