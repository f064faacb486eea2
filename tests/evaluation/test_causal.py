import math
from pathlib import Path

import numpy as np
import pytest

from md4keras.evaluation import causal as causal_models
from md4keras.tokenizers import add_spare
from tests.evaluation import tiny_gpt2

pytest.importorskip("keras_hub")
pytestmark = pytest.mark.one_backend  # KerasHub's networks are Keras's

THEIRS = np.load(Path(__file__).with_name("reference_numbers.npz"))


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return tiny_gpt2.save_preset(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="module")
def causal(preset):
    return causal_models.CausalModel(preset, batch_size=4)


def test_perplexity_is_that_of_transformers(causal):
    nats, tokens = THEIRS["nats"], THEIRS["counts"]
    found = causal.perplexity(tiny_gpt2.TEXTS)
    assert found.perplexity == pytest.approx(math.exp(nats.sum() / tokens.sum()), rel=1e-5)
    assert found.nats == pytest.approx(nats.sum(), rel=1e-6)
    assert (found.tokens, found.texts, found.unscored) == (tokens.sum(), 6, 2)
    # The error of a ratio, leaving out one text at a time.
    nats, tokens = np.append(nats, [0, 0]), np.append(tokens, [0, 0])
    left = [np.exp(np.delete(nats, i).sum() / np.delete(tokens, i).sum()) for i in range(6)]
    jackknife = math.sqrt(5 / 6 * ((left - np.mean(left)) ** 2).sum())
    assert found.standard_error == pytest.approx(jackknife, rel=0.25)


def test_features_are_those_that_mauve_takes(causal):
    found = causal.features(tiny_gpt2.GENERATED[:5])
    np.testing.assert_allclose(found, THEIRS["text_features"], rtol=1e-4, atol=1e-5)
    with_empty = causal.features(["", *tiny_gpt2.GENERATED[:5], ""])
    np.testing.assert_allclose(with_empty, found, atol=1e-5)


def test_texts_are_read_up_to_an_end_and_the_longest_length(causal):
    end = causal.tokenizer.end_token_id
    rows = causal.tokens_of(tiny_gpt2.TEXTS)
    assert rows[2][0] == rows[2][-1] == end and list(rows[2]).count(end) == 2
    assert rows[3][-1] == end and list(rows[3]).count(end) == 1
    assert [len(row) for row in rows[4:]] == [0, 1]
    assert len(causal.tokens_of(["mat " * 99])[0]) == causal.max_length == 24  # of 1024


def test_a_text_is_scored_as_it_would_be_alone(causal):
    one, other = tiny_gpt2.TEXTS[:2]
    both = causal.perplexity([one, other])
    alone = [causal.perplexity([text]) for text in (one, other)]
    assert both.nats == pytest.approx(sum(each.nats for each in alone), rel=1e-6)
    assert math.isnan(alone[0].standard_error)


def test_nothing_scored_is_no_number(causal):
    found = causal.perplexity(["", "m"])
    assert math.isnan(found.perplexity) and found.unscored == 2


@pytest.mark.parametrize("texts", [[], "the cat", [1, 2], None])
def test_refuses_what_are_no_texts(causal, texts):
    with pytest.raises(ValueError, match=r"`texts` cannot be read.*Received: .*decode"):
        causal_models.generative_perplexity(texts, causal)


def test_refuses_texts_that_are_all_empty(causal):
    with pytest.raises(ValueError, match=r"All texts are empty.*Received: 2 empty texts"):
        causal.features(["", ""])


def test_names_a_preset_that_is_not_there(tmp_path):
    missing = str(tmp_path / "gpt2_large")
    with pytest.raises(ValueError, match=r"Unknown preset.*/gpt2_large'.*save_to_preset"):
        causal_models.generative_perplexity(["a cat"], missing)


def test_other_errors_are_not_taken_for_a_missing_preset(monkeypatch):
    import keras_hub

    def fails(*arguments, **others):
        raise MemoryError

    monkeypatch.setattr(keras_hub.models.CausalLM, "from_preset", fails)
    with pytest.raises(MemoryError):
        causal_models.CausalModel("gpt2_large")


def test_names_a_tokenizer_of_another_model(preset):
    wide = add_spare(tiny_gpt2.tokenizer(), 1)
    with pytest.raises(ValueError, match=r"Expected at most 281\. Received: tokenizer of 282"):
        causal_models.CausalModel(preset, tokenizer=wide)
