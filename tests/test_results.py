"""What the recipes promise, trained in full: `make test-slow`, about half an hour on two cores."""

import numpy as np
import pytest

import md4keras
from md4keras.data import images
from tests.recognition import recognised
from train import digits, loop, pydoc


def test_the_judge_recognises_real_digits():
    _, (x, y) = images.digits()
    assert recognised(x, y) > 0.97


def digits_reached(recipe, output):
    results = loop.main(recipe, ["--output", str(output)])
    model = md4keras.load_model(output / "model")
    labels = np.tile(np.arange(10), 50)
    tokens = model.generate(len(labels), labels, num_steps=64, seed=3)
    histogram = min(results["baselines"].values())
    return results["bits_per_dim"] / histogram, recognised(tokens, labels)


@pytest.mark.slow
@pytest.mark.one_backend
def test_the_demo_of_digits(tmp_path):
    ratio, accuracy = digits_reached(digits.DEMO, tmp_path / "run")
    assert ratio <= 0.85 and accuracy >= 0.65


@pytest.mark.slow
@pytest.mark.one_backend
def test_digits_in_full(tmp_path):
    ratio, accuracy = digits_reached(digits.RECIPE, tmp_path / "run")
    assert ratio <= 0.75 and accuracy >= 0.92


@pytest.mark.slow
@pytest.mark.one_backend
@pytest.mark.parametrize("recipe, baseline", [(pydoc.DEMO, "bigram"), (pydoc.RECIPE, "trigram")])
def test_pydoc_is_under_its_baseline(recipe, baseline, tmp_path):
    results = loop.main(recipe, ["--output", str(tmp_path / "run")])
    assert results["bits_per_dim"] < results["baselines"][baseline]
