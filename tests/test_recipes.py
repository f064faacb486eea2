"""Recipes at tiny size: they train, leave what they promise, resume exactly, and refuse early."""

import importlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import md4keras
from md4keras import callbacks, data
from train import (
    cifar10,
    demo,
    digits,
    folder,
    imagenet64,
    loop,
    milestones,
    openwebtext,
    pydoc,
    samples,
    state,
    text8,
)

one_backend = pytest.mark.one_backend  # of all but the exact continuation

TINY = ["--steps", "4", "--interval", "2", "--batch-size", "4"]


@pytest.fixture(autouse=True)
def quick_evaluation(monkeypatch):
    """One pass over few examples: what is tested here is not the number."""
    monkeypatch.setattr(md4keras.MD4, "_passes_wanted", lambda self: 1)
    (x, y), (x_val, y_val), _, names = data.digits()[:4]
    few = data.Splits((x[:40], y[:40]), (x_val[:8], y_val[:8]), class_names=names)
    monkeypatch.setattr(type(data.digits), "__call__", lambda self: few)
    words = "the quick brown fox jumps over the dog " * 60
    text = data.Splits(*data.split_text(words))
    for source in (data.pydoc, data.python_docs):
        monkeypatch.setattr(type(source), "__call__", lambda self: text)


def tiny(recipe):
    """The recipe with its data, optimizer and loop, and a small network."""
    small = {"sampling.num_steps": 2, "network.num_layers": 0}
    if recipe.kind == "text":
        small |= {"network.num_layers": 1, "network.num_heads": 2, "network.feature_dim": 8}
        small |= {"sequence_length": 16}
    else:
        small |= {"network.feature_dim": 64}
    return recipe.but(**small)


@one_backend
def test_digits_leave_a_model_samples_logs_and_a_history(tmp_path, capsys):
    output = tmp_path / "run"
    results = loop.main(tiny(digits.RECIPE), [*TINY, "--output", str(output)])
    assert results["bits_per_dim"] > 0 and results["baselines"]
    model = md4keras.load_model(output / "model")
    assert model.recipe["recipe"] == "digits" and model.recipe["steps"] == 4
    assert [row["step"] for row in model.recipe["history"]] == [2, 4]
    assert {"val_bits_per_dim", "seconds"} <= set(model.recipe["history"][0])
    names = sorted(path.name for path in (output / "samples").iterdir())
    assert names == ["step_0000002.png", "step_0000004.png"]
    with Image.open(output / "samples" / names[0]) as picture:
        assert picture.size[0] > 80
    assert any((output / "logs").iterdir())
    assert "Bits per dimension on the validation split" in capsys.readouterr().out


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, monkeypatch):
    """The broken run's folder is the whole one's in the middle: what a killed process leaves.

    The whole run shows samples, the resumed one none: they do not change the training.
    """
    recipe = tiny(digits.RECIPE)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    original = samples.shower

    def copy_then_show(*args):
        def show(model, step):
            shown(model, step)
            if step == 4:  # the row of step 4 is not written yet, that of step 2 is
                shutil.copytree(whole, broken)

        shown = original(*args)
        return show

    monkeypatch.setattr(loop.samples, "shower", copy_then_show)
    loop.main(recipe, [*TINY, "--output", str(whole)])
    assert not (broken / "model").exists()
    monkeypatch.setattr(loop.samples, "shower", lambda *args: lambda model, step: None)
    loop.main(recipe, [*TINY, "--output", str(broken), "--resume"])
    models = [md4keras.load_model(folder / "model") for folder in (whole, broken)]
    weights = [model.network.get_weights() for model in models]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@one_backend
def test_a_run_continues_after_the_batches_it_used(tmp_path):
    """Not after the optimizer's steps, from which skipped ones are missing."""
    model = md4keras.MD4(md4keras.networks.Transformer(5, 8, 1, 1, 8))
    model.compile("adamw")
    model.optimizer.build(model.trainable_variables)
    where, settings = folder.RunFolder(tmp_path), pydoc.RECIPE.complete()
    saved, restored = (state.RunState(where, {"a": 1}, settings) for _ in range(2))
    saved.batches = 3
    saved.save(model)
    restored.restore(model)
    assert restored.batches == 3 and int(model.optimizer.iterations.numpy()) == 0
    assert state.read_header(where) == ({"a": 1}, 3, 0)


@one_backend
def test_overwriting_removes_the_old_run_and_nothing_else(tmp_path, monkeypatch, capsys):
    for name in ("samples/old.png", "logs/old", "model/metadata.json", "model/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    for name in ("training_states/step", "training_state.npz", "history.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")

    def interrupt(*args):
        left = sorted(path.name for path in tmp_path.iterdir())
        assert left == ["logs", "model", "notes.txt"] and not (tmp_path / "logs/old").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_train", interrupt)
    with pytest.raises(SystemExit) as end:
        loop.main(tiny(digits.RECIPE), [*TINY, "--output", str(tmp_path), "--overwrite"])
    assert end.value.code == 130
    assert "stopped before the first step; nothing was saved" in capsys.readouterr().err


@one_backend
def test_folders_that_are_no_runs_stay(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mine").write_text("")
    monkeypatch.setattr(loop, "_train", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loop.main(tiny(digits.RECIPE), [*TINY, "--output", str(tmp_path), "--overwrite"])
    assert (tmp_path / "logs" / "mine").exists()


@one_backend
def test_an_output_folder_without_permission_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "run" / "model").mkdir(parents=True)
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path / "run")
    with pytest.raises(SystemExit):
        loop.main(tiny(digits.RECIPE), ["--output", str(tmp_path / "run"), "--overwrite"])
    assert f"No permission to write to '{tmp_path / 'run'}'" in capsys.readouterr().err


@one_backend
@pytest.mark.parametrize("value", ["0", "abc"])
def test_numbers_of_steps_are_checked(value, capsys):
    for parse, option in ((digits.RECIPE.parse, "--steps"), (demo.main, "--digits-steps")):
        with pytest.raises(SystemExit):
            parse([option, value])
        assert f"argument {option}: must be " in capsys.readouterr().err


@one_backend
def test_text_of_the_users_own(tmp_path):
    source = tmp_path / "poem.txt"
    source.write_text("Über allen Gipfeln ist Ruh, in allen Wipfeln spürest du " * 40, "utf-8")
    output = tmp_path / "run"
    loop.main(tiny(pydoc.RECIPE), [*TINY, "--output", str(output), "--data", str(source)])
    model = md4keras.load_model(output / "model")
    assert model.tokenizer.decode(model.tokenizer.encode("Ruh, Über")) == "Ruh, Über"
    assert (output / "samples" / "step_0000004.txt").read_text("utf-8").count("\n") == 3


@one_backend
@pytest.mark.slow
def test_a_folder_of_the_users_own_images(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(12):
            pixels = rng.integers(0, 256, (20, 30, 3), "uint8")
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{index}.png")
    output = tmp_path / "run"
    loop.main(
        tiny(digits.RECIPE), [*TINY, "--output", str(output), "--data", str(tmp_path / "pets")]
    )
    model = md4keras.load_model(output / "model")
    assert model.network.num_classes == 2 and model.recipe["class_names"] == ["cats", "dogs"]


@one_backend
@pytest.mark.slow
def test_json_has_no_infinity(tmp_path, monkeypatch, capsys):
    """The perplexity of a run that went astray is none that JSON can tell."""
    evaluate = loop.Milestones.evaluate

    def astray(milestones, model, **how):
        return evaluate(milestones, model, **how) | {"perplexity": np.inf, "loss": np.nan}

    monkeypatch.setattr(loop.Milestones, "evaluate", astray)
    results = loop.main(tiny(pydoc.RECIPE), [*TINY, "--output", str(tmp_path / "run"), "--json"])
    assert results["perplexity"] == np.inf
    written = [tmp_path / "run" / name for name in ("model/recipe.json", "history.json")]
    recipe, rows, printed = (
        json.loads(text, parse_constant=lambda name: pytest.fail(name))
        for text in (*(path.read_text() for path in written), capsys.readouterr().out)
    )
    assert recipe["validation"]["perplexity"] is printed["perplexity"] is printed["loss"] is None
    assert rows == recipe["history"] and rows[0]["val_perplexity"] is None
    assert printed["bits_per_dim"] == results["bits_per_dim"]


@one_backend
@pytest.mark.parametrize("recipe", [digits, pydoc, text8, cifar10, imagenet64, openwebtext])
def test_help_explains_every_option(recipe, capsys):
    with pytest.raises(SystemExit) as end:
        recipe.RECIPE.parse(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    options = ("data", "steps", "batch-size", "interval", "output", "seed", "resume", "overwrite")
    options += ("set", "init-from", "extend", "skip-bad", "json")
    assert all(f"--{option}" in shown for option in options)
    assert f"python -m train.{recipe.RECIPE.name}" in shown
    images = recipe.RECIPE.kind == "image"
    assert ("image_shape and levels only along with --data" in shown) is images


@one_backend
def test_paths_hold_in_any_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = pydoc.RECIPE.parse(["--data", "texts", "--init-from", "model"])
    assert (options.data, options.init_from) == (tmp_path / "texts", tmp_path / "model")
    for name in ("digits", "hf://owner/name"):  # found where the run begins
        assert pydoc.RECIPE.parse(["--init-from", name]).init_from == name


@one_backend
@pytest.mark.parametrize("compiles", [True, False])
def test_what_is_compiled_is_told_once(compiles, monkeypatch, capsys):
    monkeypatch.setattr(milestones, "COMPILES_EACH_SHAPE", compiles)
    made = milestones.Milestones.__new__(milestones.Milestones)
    made._announced = set()
    for what in ("the sampler", "the training step", "the sampler"):
        made.announce(what)
    lines = ["Compiling the sampler ...", "Compiling the training step ..."] if compiles else []
    assert capsys.readouterr().out.splitlines() == lines


@one_backend
def test_recipes_are_the_same_under_another_package_name():
    """An installation has them as `md4keras.train`."""
    folder = Path(loop.__file__).parent
    spec = importlib.util.spec_from_file_location(
        "elsewhere", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules["elsewhere"] = importlib.util.module_from_spec(spec)
    for name in ("demo", "text8", "cifar10", "fineweb_edu", "imagenet64"):
        module = importlib.import_module(f"elsewhere.{name}")
        assert module.loop.__name__ == "elsewhere.loop"


@one_backend
def test_samples_are_drawn_as_the_settings_say(tmp_path):
    how = dict(sampler="event", time_grid="uniform", num_steps=3)
    settings = {f"sampling.{name}": value for name, value in how.items()}
    asked = {}

    class Model:
        tokenizer = md4keras.tokenizers.CharacterTokenizer()

        def sample_steps(self, num_samples, labels, **how):
            asked.update(how)
            yield md4keras.samplers.SampleState(np.zeros((num_samples, 4), "int32"), 1, 1)

    samples.shower(settings, tmp_path, callbacks.Stop())(Model(), 7)
    assert asked == {**how, "seed": 0}
    assert (tmp_path / "step_0000007.txt").read_text() == "    \n" * 3


@one_backend
def test_mistakes_end_with_one_message_before_any_work(tmp_path, capsys):
    output = tmp_path / "run"

    def message(recipe, *arguments):
        with pytest.raises(SystemExit) as end:
            loop.main(tiny(recipe), [*TINY, "--output", str(output), *arguments])
        assert end.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.startswith("error: ")
        return printed.err

    assert "no run to continue" in message(digits.RECIPE, "--resume")
    assert "no run to continue" in message(digits.RECIPE, "--extend", "3")
    assert "no text at this path" in message(pydoc.RECIPE, "--data", str(tmp_path / "none.txt"))
    short = tmp_path / "short.txt"
    short.write_text("too short " * 14)
    assert "at least 160 characters" in message(pydoc.RECIPE, "--data", str(short))
    short.write_text("")
    assert "empty" in message(pydoc.RECIPE, "--data", str(short))
    assert "for files of your own" in message(pydoc.RECIPE, "--skip-bad")
    loop.main(tiny(digits.RECIPE), [*TINY, "--output", str(output)])
    capsys.readouterr()
    assert "holds another run (recipe digits, 4 steps)" in message(pydoc.RECIPE)
    assert "a run of another recipe" in message(pydoc.RECIPE, "--resume")
    changed = message(digits.RECIPE, "--resume", "--seed", "1")
    assert "Changed: seed. Expected seed=0. Received: seed=1" in changed
    changed = message(digits.RECIPE, "--resume", "--set", "network.dropout=0.2")
    assert "Changed: network.dropout" in changed
    assert json.loads((output / "model" / "recipe.json").read_text())["seed"] == 0
    loop.main(tiny(digits.RECIPE), [*TINY, "--output", str(output), "--overwrite"])
