"""Walks of new users, by README and docs alone: their commands run, and say only what is known."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.one_backend

ROOT = Path(__file__).parents[1]
_MD4KERAS = "import sys; from md4keras.cli import main; sys.exit(main())"  # as installed
TINY = "sequence_length=32 network.num_layers=1 network.num_heads=2 network.feature_dim=8"
FEW = "--steps 6 --interval 3"

# Every line that a run may print.
TRAINING = r"""
Read \w+: [\d,]+ \w+(, [\d,]+ \w+)*( \(.*\))?\.
Validation: .*held out.*
Skipped \d+ that cannot be used \(.*\)\.
Not read, \d+ of another kind: .*\.
Tokens: .*\.
\w+: \w+ of a \w+ with [\d,]+ parameters, [\d,]+ steps of \d+, float32, backend jax, [\d :-]+
Compiling the (training step|validation step|sampler) \.\.\.
step [\d,]+ of [\d,]+, \d+ min \d+ s: bits per dimension [\d.]+ in training, [\d.]+ in \w+(PACE)?
step [\d,]+ of [\d,]+PACE
  \| .*
  samples: \S+\.png
Bits per dimension on the validation split \(lower is better\)
  (unigram|bigram|trigram|per-pixel histogram|this model \(upper bound\)) +\d+\.\d+
These are the weights of the last step: .*
Saved in \S+\.
Continuing after step \d+
Extended by .*
Weights at the start: .*
""".replace("PACE", r", [\d,]+ (tokens|values) per second(, .* left)?")
WORKING = r"""
(measuring|drawing|filling|scoring .*) \(it compiles first, some seconds\) \.\.\.
--seed \d+ draws the same again
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in, with texts and images of the user's own."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    words = "what is masked is drawn by the model in any order and the rest is given".split()
    for number in range(5):
        path = tmp_path / "texts" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(" ".join(rng.choice(words, 200)), encoding="utf-8")
    (tmp_path / "texts" / "table.csv").write_text("1,2\n", encoding="utf-8")
    (tmp_path / "texts" / "empty.txt").write_bytes(b"")
    for number in range(24):
        path = tmp_path / "pictures" / ("day" if number % 2 else "night") / f"{number}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        light = rng.integers(0, 128, (12, 10)) + 127 * (number % 2)
        Image.fromarray(light.astype("uint8")).save(path)
    return tmp_path


def run(command: str, allowed: str = "") -> str:
    """Runs a line of a page as a new user would; returns what stands on standard output."""
    words = command.split()
    program = {"md4keras": ["-c", _MD4KERAS], "python": []}[words[0]]
    quoted = [word.replace("~", " ") for word in words[1:]]
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *program, *quoted], env=environment, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    patterns = [re.compile(line) for line in (TRAINING + WORKING + allowed).splitlines() if line]
    lines = [line for line in said.splitlines() if line]
    unexplained = [line for line in lines if not any(p.fullmatch(line) for p in patterns)]
    assert not unexplained and "\r" not in said and "\x1b" not in said
    return done.stdout


@pytest.mark.slow
def test_a_folder_of_texts(place):
    train = f"md4keras train pydoc --data texts {FEW} --set {TINY}"
    with pytest.raises(AssertionError, match=r"it is empty.*empty\.txt.*--skip-bad"):
        run(train)
    said = run(f"{train} --skip-bad")
    assert "Skipped 1" in said and "table.csv" in said and "weights of the last step" in said
    run("md4keras train pydoc --extend 2")
    tuned = "--init-from runs/pydoc/model --output runs/tuned"
    run(f"md4keras train pydoc --data texts --skip-bad {tuned} {FEW}")
    figure = r"\d+\.\d+ \+- \d+\.\d+"
    said = run(
        "md4keras evaluate runs/pydoc/model --num-draws 2",
        rf"""
{figure} bits per character \({figure} nats\), an upper bound; perplexity \d+\.\d+
on the validation split of \S+texts: \d+ examples of 32 characters, 2 draws of masks each
\(the last \d+ characters fill no window and are left out\)""",
    )
    assert 0 < float(said.split()[0]) < 10
    assert len(run("md4keras generate runs/pydoc/model --num-samples 3 --length 9", ".+")) >= 30
    filled = run("md4keras infill runs/pydoc/model the~____~is --num-steps 4", ".+")
    assert re.fullmatch(r"the .{4} is\n", filled, re.S)
    score = "md4keras score runs/pydoc/model the~model"
    run(score, f"bits per character\n  {figure}  the model")
    said = run("md4keras models", r"runs/\w+/model" + "\n  Pydoc: Transformer, .*")
    assert "runs/pydoc/model" in said and "runs/tuned/model" in said


@pytest.mark.slow
def test_a_folder_of_images(place):
    run(f"md4keras train digits --data pictures {FEW}")
    assert Image.open("runs/digits/samples/step_0000006.png").size[0] > 16
    figure = r"\d+\.\d+ \+- \d+\.\d+"
    run(
        "md4keras evaluate runs/digits/model --num-draws 2",
        rf"""
{figure} bits per dimension \({figure} nats\), an upper bound
on the validation split of \S+pictures: \d+ examples of 64 dimensions, 2 draws of masks each""",
    )
    run("md4keras generate runs/digits/model --label day --out day.png --num-steps 4", r"day\.png")
    box = "--box 0,0,4,8 --label 1 --num-steps 4"
    picture = "pictures/day/1.png"
    run(f"md4keras infill runs/digits/model {picture} {box} --out filled.png", r"filled\.png")
    for name in ("day.png", "filled.png"):
        assert Image.open(name).size[0] >= 64


@pytest.mark.slow
def test_a_recipe_of_ones_own(place):
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(code.splitlines()) <= 40
    Path("stripes.py").write_text(code, encoding="utf-8")
    said = run("python stripes.py --steps 2 --interval 2 --set sampling.num_steps=2")
    assert "Saved in runs/stripes/model." in said
