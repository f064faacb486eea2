"""The presets that ship: small, described, and as good as their reports say."""

import math
import re

import numpy as np
import pytest

import md4keras
from md4keras import data, presets
from md4keras.evaluation.report import read_report, report_folder

NAMES = ("digits", "pydoc")
each_preset = pytest.mark.parametrize("name", NAMES)


@pytest.mark.one_backend
def test_these_ship_and_are_small():
    assert tuple(presets.shipped()) == NAMES
    files = [file for file in presets.SHIPPED.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 12e6


@pytest.mark.one_backend
@each_preset
def test_the_report_is_of_these_weights_and_the_card_tells_it(name):
    folder = presets.find(name)
    report = read_report(report_folder(folder))
    saved = md4keras.checkpoints.read_saved(folder)
    assert report.model["weights"] == saved.weights_fingerprint
    assert report.command.endswith(f"evaluate md4keras/presets/shipped/{name} --report")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"{report.figures[0]['value']:.3f}" in card and "license: apache-2.0" in card
    assert saved.recipe["licence"] in card


@pytest.mark.one_backend
@each_preset
def test_the_program_of_its_card_runs(name, capsys):
    card = (presets.find(name) / "README.md").read_text(encoding="utf-8")
    program = card.split("```python\n")[1].split("```")[0]
    program = re.sub(r"num_steps=\d+", "num_steps=1", program)
    exec(program)
    assert capsys.readouterr().out.strip()


@each_preset
def test_it_is_as_good_as_its_report_says(name):
    """On few examples, within five standard errors of these and of their draws."""
    model = md4keras.load_model(name)
    if name == "digits":
        x, y = (array[:48] for array in data.digits().validation)
        nats, _ = model.score(x, y, num_samples=4, seed=0)
    else:
        x = data.text_windows(model.tokenizer.encode(data.python_docs().validation[:20_000]), 128)
        nats, _ = model.score(x[:48], num_samples=4, seed=0)
    bits = nats / math.log(2) / math.prod(model.network.data_shape)
    error = np.std(bits) / math.sqrt(len(bits))
    told = read_report(report_folder(presets.find(name))).figures[0]["value"]
    assert abs(np.mean(bits) - told) < 5 * error
    assert np.mean(bits) < math.log2(model.network.vocabulary_size) * 0.7


def test_digits_are_drawn_by_class():
    images = md4keras.load_model("digits").generate(4, labels=[0, 0, 1, 1], num_steps=16)
    assert images.shape == (4, 8, 8, 1) and images.min() >= 0 and images.max() <= 16
    rings, strokes = images[:2].mean(axis=0)[..., 0], images[2:].mean(axis=0)[..., 0]
    assert rings[3:5, 3:5].mean() < strokes[3:5, 3:5].mean()  # a zero is hollow


@pytest.mark.one_backend
def test_text_is_drawn_and_continued():
    pytest.importorskip("tokenizers")
    model = md4keras.load_model("pydoc")
    text = model.generate(prompt="Return the", length=32, num_steps=16)
    assert text.startswith("Return the") and len(text) > 20
