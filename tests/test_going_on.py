"""Runs that go on from others: saved weights, more steps, data that were moved."""

import json
import shutil

import numpy as np
import pytest

import md4keras
from tests.test_recipes import TINY, quick_evaluation, tiny  # noqa: F401
from train import loop, optimizers, pydoc

pytestmark = pytest.mark.one_backend
WORDS = "the quick brown fox jumps over the lazy dog while rain falls softly "


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.txt").write_text(WORDS * 10)
    return folder


def run(output, *arguments):
    return loop.main(tiny(pydoc.RECIPE), ["--output", str(output), *map(str, arguments)])


def refusal(capsys, output, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        run(output, *arguments)
    assert end.value.code == 2
    return capsys.readouterr().err


def recipe_of(output):
    return json.loads((output / "model" / "recipe.json").read_text())


@pytest.mark.slow
def test_moved_data_are_known_by_their_contents(tmp_path, texts, capsys):
    output, moved = tmp_path / "run", tmp_path / "elsewhere"
    run(output, *TINY, "--data", texts)
    assert recipe_of(output)["read"]["files"] == 3
    shutil.move(texts, moved)
    assert "name their new place with --data" in refusal(capsys, output, "--resume")
    run(output, "--extend", 2, "--data", moved)
    assert recipe_of(output)["steps"] == 6 and recipe_of(output)["data"] == str(moved)
    (moved / "a.txt").write_text(WORDS * 11)
    assert "data have changed" in refusal(capsys, output, "--resume", "--data", moved)


@pytest.mark.slow
def test_a_finished_run_is_extended(tmp_path, capsys):
    output = tmp_path / "run"
    run(output, *TINY)
    printed = capsys.readouterr().out
    assert "of the last step: the averaged ones still hold 97% of the start" in printed
    before = md4keras.load_model(output / "model").network.get_weights()
    run(output, "--extend", 3, "--set", "micro_batches=2")
    printed = capsys.readouterr().out
    assert "Extended by 3 steps from step 4: the learning rate warms up again" in printed
    assert "decays to zero" in printed
    run(output, "--extend", 2, "--extend-rate", "hold", "--set", "optimizer.learning_rate=1e-3")
    assert "0.001 and is held" in capsys.readouterr().out
    recipe = recipe_of(output)
    assert [row["step"] for row in recipe["history"]] == [2, 4, 6, 7, 8, 9]
    assert recipe["extensions"] == [
        {"from": 4, "updates": 4, "steps": 3, "rate": "decay"},
        {"from": 7, "updates": 7, "steps": 2, "rate": "hold"},
    ]
    after = md4keras.load_model(output / "model").network.get_weights()
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert "along with" in refusal(capsys, output, "--extend", 2, "--steps", 9)
    assert "for steps that are added" in refusal(capsys, output, "--extend-rate", "hold")


def test_an_unfinished_run_is_not_extended(tmp_path, capsys, monkeypatch):
    output = tmp_path / "run"
    save = md4keras.save_model
    monkeypatch.setattr(md4keras, "save_model", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(output, *TINY)
    monkeypatch.setattr(md4keras, "save_model", save)
    assert "holds another run" in refusal(capsys, output)
    changed = "The run cannot be continued with other settings. Changed: steps"
    assert changed in refusal(capsys, output, "--resume", "--steps", 8)
    run(output, "--resume")  # without its settings, which it knows
    assert recipe_of(output)["settings"]["batch_size"] == 4


def test_rates_of_extensions():
    def rates(rate):
        extensions = [{"from": 103, "updates": 100, "steps": 20, "rate": rate}]  # 3 were skipped
        schedule = optimizers.rate(120, 0.5, 30, extensions)
        return [float(np.asarray(schedule(step))) for step in (100, 101, 102, 110, 120)]

    start, warm, peak, middle, end = rates("decay")
    assert start == 0 and 0 < warm < peak == 0.5 > middle > end == 0
    assert rates("hold")[2:] == pytest.approx([0.5, 0.5, 0.5])


def test_first_weights_from_a_saved_model(tmp_path, texts, capsys, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    run(first, *TINY, "--data", texts, "--set", "model.schedule=cosine")
    saved = md4keras.load_model(first / "model")
    started = []

    def look(model, milestones):
        started.extend(model.network.get_weights())
        raise ZeroDivisionError

    train = loop._train
    monkeypatch.setattr(loop, "_train", look)
    (texts / "d.txt").write_text("a fox")
    with pytest.raises(ZeroDivisionError):
        run(second, "--init-from", first / "model", "--data", texts)
    assert "Weights at the start: of the saved model" in capsys.readouterr().out
    for ours, theirs in zip(started, saved.network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    monkeypatch.setattr(loop, "_train", train)
    options = pydoc.RECIPE.parse(["--init-from", str(first)])  # the folder of the run
    made = loop.plan.new(pydoc.RECIPE, options)
    settings = made.settings
    assert made.init_from == first / "model"
    assert settings["network.feature_dim"] == 8 and settings["model.schedule"] == "cosine"

    def told(*arguments):
        return refusal(capsys, tmp_path / "third", "--init-from", *arguments)

    (texts / "e.txt").write_text("ZZZ 42 " * 100)
    refused = told(first / "model", "--data", texts)
    assert "does not know these characters: 'Z42'" in refused and "--replace-unknown" in refused
    (texts / "e.txt").unlink()
    layers = ("--set", "network.num_layers=2")
    fits = told(first / "model", "--data", texts, *layers)
    assert "Expected num_layers=1" in fits and "Received: num_layers=2" in fits
    assert "not a saved model" in told(tmp_path / "nothing")
    assert "Expected Transformer" in told(first / "model", "--set", "network=UNet")


@pytest.mark.slow
def test_unknown_characters_are_replaced_where_asked(tmp_path, texts, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    run(first, *TINY, "--data", texts)
    (texts / "d.txt").write_text("THE CAT, " * 100)
    more = ("--init-from", first, "--data", texts, "--replace-unknown")
    run(second, *more, *TINY)
    assert "Replaced what the model does not know: 'THECA,'" in capsys.readouterr().out
    tokenizers = [(each / "model" / "tokenizer.json").read_text() for each in (first, second)]
    assert tokenizers[0] == tokenizers[1]
    run(second, "--extend", 1)  # which remembers it
    assert "Replaced what" in capsys.readouterr().out
