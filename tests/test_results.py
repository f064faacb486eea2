"""The promises of the recipes, trained in full: `make test-slow`, about an hour on two cores."""

import numpy as np
import pytest

import md4keras
from md4keras import data, samplers
from tests.recognition import recognised
from train import digits, loop, pydoc

pytestmark = pytest.mark.one_backend


def trained(recipe, folder):
    """The results and the saved model of a recipe."""
    results = loop.main(recipe, ["--output", str(folder)])
    return results, md4keras.load_model(folder / "model")


@pytest.fixture(scope="module")
def digits_demo(tmp_path_factory):
    return trained(digits.DEMO, tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def pydoc_in_full(tmp_path_factory):
    return trained(pydoc.RECIPE, tmp_path_factory.mktemp("pydoc"))


def check_digits(run, most_of_histogram, least_recognised):
    results, model = run
    assert results["bits_per_dim"] <= most_of_histogram * min(results["baselines"].values())
    assert generated_recognised(model) >= least_recognised


def generated_recognised(model):
    labels = np.tile(np.arange(10), 50)
    return recognised(model.generate(len(labels), labels, num_steps=64, seed=3), labels)


def test_the_judge_recognises_real_digits():
    x, y = data.digits().validation
    assert recognised(x, y) > 0.97


@pytest.mark.slow
def test_the_demo_of_digits(digits_demo):
    check_digits(digits_demo, 0.85, 0.65)


@pytest.mark.slow
def test_digits_in_full(tmp_path):
    check_digits(trained(digits.RECIPE, tmp_path / "run"), 0.75, 0.92)


@pytest.mark.slow
def test_half_masked_digits_are_completed(digits_demo):
    """Recognised at least as often as generated ones: half of the digit is real."""
    _, model = digits_demo
    x, y = data.digits().validation
    mask = np.random.default_rng(0).random(x.shape) < 0.5
    completed = model.infill(x, mask, labels=y, num_steps=64, seed=4)
    np.testing.assert_array_equal(completed[~mask], x[~mask])
    assert recognised(completed, y) >= generated_recognised(model)


@pytest.mark.slow
def test_the_demo_of_pydoc_is_under_the_bigram(tmp_path):
    results, _ = trained(pydoc.DEMO, tmp_path / "run")
    assert results["bits_per_dim"] < results["baselines"]["bigram"]


@pytest.mark.slow
def test_pydoc_in_full_is_under_the_trigram(pydoc_in_full):
    results, _ = pydoc_in_full
    assert results["bits_per_dim"] < results["baselines"]["trigram"]


@pytest.mark.slow
def test_gaps_in_text_are_restored_better_than_by_a_bigram(pydoc_in_full):
    """Ten characters at a random place of each window; both fill in what they think likeliest."""
    _, model = pydoc_in_full
    training, validation = map(model.tokenizer.encode, data.pydoc()[:2])
    x = data.text_windows(validation, pydoc.SEQUENCE_LENGTH)
    start = np.random.default_rng(0).integers(1, x.shape[1] - 11, len(x))
    places = np.arange(x.shape[1])
    mask = (places >= start[:, None]) & (places < start[:, None] + 10)
    greedy = samplers.Confidence(filters=samplers.TopK(1))
    ours = model.infill(x, mask, sampler=greedy, num_steps=32, seed=5)
    right = (ours == x)[mask].mean()
    bigram = bigram_restored(training, x, start, model.network.vocabulary_size)
    assert right > (bigram == x)[mask].mean()


def bigram_restored(training, x, start, values, gap=10):
    """The likeliest character at each place of the gap, given the characters round it."""
    counts = np.full((values, values), 0.1)
    np.add.at(counts, (training[:-1], training[1:]), 1)
    matrix = counts / counts.sum(axis=1, keepdims=True)
    powers = [np.linalg.matrix_power(matrix, k) for k in range(gap + 2)]
    restored = x.copy()
    for row, first in zip(restored, start, strict=True):
        before, after = row[first - 1], row[first + gap]
        for k in range(gap):
            row[first + k] = np.argmax(powers[k + 1][before] * powers[gap - k][:, after])
    return restored
