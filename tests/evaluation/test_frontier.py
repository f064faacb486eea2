import numpy as np
import pytest

import md4keras
from md4keras import samplers
from md4keras.evaluation.frontier import draw, frontier
from md4keras.evaluation.text_report import TextReport
from md4keras.tokenizers import CharacterTokenizer
from tests.models.tabular import FixedLogits

pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def model():
    return md4keras.MD4(FixedLogits(np.arange(4), 12))


def test_a_row_for_each_combination(model):
    vary = {"temperature": [0.5, 2.0], "num_steps": np.array([2, 4]), "sampler": ["ancestral"]}
    report = TextReport(CharacterTokenizer("abcd"))
    rows = list(frontier(model, report, 32, vary, batch_size=16))
    settings = [(row["temperature"], row["num_steps"], row["network_calls"]) for row in rows]
    assert [each[:2] for each in settings] == [(0.5, 2), (2.0, 2), (0.5, 4), (2.0, 4)]
    assert all(steps <= calls <= steps + 1 for _, steps, calls in settings)
    assert {row["samples"] for row in rows} == {32}
    assert all(row["sampler"] == "ancestral" and row["time_grid"] == "cosine" for row in rows)
    # Colder samples are duller; the logits are known.
    assert rows[0]["unigram_entropy"] < rows[1]["unigram_entropy"] - 0.3


def test_samples_are_the_models(model):
    """Over 576 tokens the most frequent one is within five standard errors of its probability."""
    p = np.exp(3.0) / np.exp(np.arange(4)).sum()
    settings = {"num_steps": 2}
    tokens, calls = draw(model, 48, settings, seed=3, batch_size=16)
    assert tokens.shape == (48, 12) and 2 <= calls <= 3
    assert abs((tokens == 3).mean() - p) < 5 * np.sqrt(p * (1 - p) / tokens.size)
    again, _ = draw(model, 48, settings, seed=3, batch_size=16)
    np.testing.assert_array_equal(again, tokens)
    assert (tokens[:16] != tokens[16:32]).any()  # no batch is drawn twice


def test_calls_are_counted_where_the_sampler_plans_them(model):
    vary = {"sampler": [samplers.Event(filters=[samplers.TopP(0.5)])], "num_steps": [1000]}
    (row,) = frontier(model, lambda tokens: {"least": int(tokens.min())}, 16, vary)
    assert "Event" in row["sampler"] and "0.5" in row["sampler"]
    assert row["least"] == 3  # the only one that the filter leaves
    assert row["network_calls"] <= 16 * 12 < row["num_steps"]


@pytest.mark.parametrize(
    "vary, match",
    [
        ({"steps": [2]}, "Unknown `vary`.*'steps'.*generate"),
        (["temperature"], r"`vary` names.*Expected a dictionary.*\['temperature'\]"),
        ({"temperature": 1.0}, r"no values for 'temperature'.*Write \[1\.0\]"),
        ({"temperature": []}, "no values for 'temperature'"),
        ({"temperature": [1.0, -1.0]}, "`temperature` cannot be used"),
        ({"sampler": ["ancestral", "best"]}, "best"),
        ({"guidance_scale": [2.0]}, "Guidance needs a network"),
    ],
)
def test_settings_are_checked_before_anything_is_drawn(model, vary, match):
    def report(tokens):
        raise AssertionError("nothing should be drawn")

    with pytest.raises(ValueError, match=match):
        frontier(model, report, 4, vary)


def test_names_labels_that_are_not_there(model):
    network = FixedLogits(np.arange(4), 12)
    network.num_classes = 3
    with_classes = md4keras.MD4(network)
    with pytest.raises(ValueError, match="has 3 classes.*labels=None. Give one id"):
        frontier(with_classes, len, 4, {})
    with pytest.raises(ValueError, match="`labels` cannot be used"):
        frontier(with_classes, len, 4, {}, labels=[0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"does not match the vocabulary.*of 4 tokens"):
        frontier(model, TextReport(CharacterTokenizer("abc")), 4, {})
    with pytest.raises(ValueError, match="not a model.*Received: None"):
        frontier(None, len, 4, {})
    with pytest.raises(ValueError, match="not a report.*Received: None"):
        frontier(model, None, 4, {})
    with pytest.raises(ValueError, match="`num_samples` cannot be used"):
        frontier(model, len, 0, {})
