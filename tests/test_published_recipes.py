"""Every recipe at tiny size, published or not, on stand-ins in the real sources' format.

Layers, widths, lengths and images are smaller, by `--set`; all else is the recipe's.
"""

import importlib
import json
import math
import pkgutil
import signal

import numpy as np
import pytest

import md4keras
import train
from md4keras import cli, data, tokenizers
from md4keras.cli import train as verb
from md4keras.data.preparation import KNOWN, Settings, prepare
from tests.test_data.test_documents import parquet_bytes
from tests.test_interrupts import Moments, check_equal
from tests.test_recipes import quick_evaluation  # noqa: F401
from train import imagenet64, inputs, plan
from train.recipe import Recipe

pytest.importorskip("datatrove")

RNG = np.random.default_rng(0)
WORDS = "the quick brown fox jumps over the lazy dog while rain falls softly".split()
DOCUMENTS = [" ".join(RNG.choice(WORDS, 3 + n % 17)) for n in range(60)]
SMALL = {  # by network
    "Transformer": {"num_layers": 1, "num_heads": 2, "feature_dim": 8},
    "UNet": {"num_layers": 0, "feature_dim": 64},
    "UViT": {
        "num_layers": 1, "feature_dim": 32, "num_dit_layers": 1, "num_heads": 2, "hidden_dim": 8,
    },
}  # fmt: skip
TEXT = [f"network.{name}={value}" for name, value in SMALL["Transformer"].items()]
TEXT += ["sequence_length=16"]


def all_recipes() -> dict[str, Recipe]:
    """The recipes that stand in the files of `train/`, by name; the first of a name counts."""
    files = [each.name for each in pkgutil.iter_modules(train.__path__)]
    modules = [importlib.import_module(f"train.{name}") for name in files]
    found = [each for module in modules for each in vars(module).values()]
    return {each.name: each for each in reversed(found) if isinstance(each, Recipe)}


RECIPES = all_recipes()


def small(recipe: Recipe) -> list[str]:
    """What `--set` makes the recipe small."""
    network = recipe.settings["network"]
    changes = [f"network.{name}={value}" for name, value in SMALL[network].items()]
    if recipe.kind == "text":
        changes.append("sequence_length=16")
    else:
        changes.append("image_shape=8,8," + str(recipe.settings["image_shape"][2]))
    return [*changes, "sampling.num_steps=2"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Function of a data set's name that returns its prepared folder, each made once."""
    home, made = tmp_path_factory.mktemp("data"), {}
    places = {"openwebtext": "plain_text", "fineweb_edu": "sample/10BT"}

    def of_text(name):
        file = home / "copy" / places[name] / "train-00000-of-00001.parquet"
        file.parent.mkdir(parents=True)
        file.write_bytes(parquet_bytes({"text": DOCUMENTS}))
        pieces = tokenizers.BytePairTokenizer.train(DOCUMENTS, vocabulary_size=280)
        return Settings(pieces, sequence_length=16 if name == "openwebtext" else None)

    def folder(name):
        if name not in made:
            source, settings = home / "copy", Settings()
            if name in places:
                settings = of_text(name)
            else:
                pytest.importorskip("tensorflow")  # it writes the stand-in
                from tests.test_data.test_prepared_images import store

                source, splits = home / "tfds", {"train": 12, "validation": 4}
                shape, config = (64, 64, 3), {"labels": False, "config": "64x64"}
                store(source, "downsampled_imagenet", shape, splits, **config)
            made[name] = home / name
            prepare(name, made[name], settings, source, workers=1, say=lambda words: None)
        return made[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KNOWN, "imagenet64", KNOWN["imagenet64"]._replace(shape=(8, 8, 3)))
        yield folder


def stand_in(name, folders, monkeypatch) -> list[str]:
    """The `--data` of a recipe, or its source replaced."""
    if name.endswith("text8"):
        words = data.Splits(*["abc xyz " * 200] * 3)
        monkeypatch.setattr(type(data.text8), "__call__", lambda self: words)
    elif name == "cifar10":
        x = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), "uint8")
        split = (x, np.zeros(12, "int32"))
        images = data.Splits(split, split)
        monkeypatch.setattr(type(data.cifar10), "__call__", lambda self, **how: images)
    elif isinstance(source := data.get(RECIPES[name].source), data.PreparedSet):
        return ["--data", str(folders(source.name))]
    return []  # `quick_evaluation` has replaced the others


@pytest.mark.one_backend
def test_the_command_knows_all_recipes():
    assert RECIPES.keys() == verb.RECIPES.keys() - {"demo"}  # which runs two of them


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_stops_goes_on_samples_and_saves(name, folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(md4keras.GenMD4, "_passes_wanted", lambda self: 1)
    own, moments = stand_in(name, folders, monkeypatch), Moments(monkeypatch)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = ["train", name, *own, "--steps", "4", "--interval", "3", "--batch-size", "4"]
    command += ["--set", *small(RECIPES[name]), "--output"]
    assert cli.main([*command, str(whole)]) == 0
    moments.choose("training", 2, signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        cli.main([*command, str(broken)])
    assert end.value.code == 128 + signal.SIGTERM and not (broken / "model").exists()
    assert "stopped after step 2; continue with --resume" in capsys.readouterr().err
    assert cli.main(["train", name, "--output", str(broken), "--resume"]) == 0
    check_equal(whole, broken)
    before = md4keras.load_model(broken / "model").network.get_weights()
    capsys.readouterr()
    assert cli.main(["train", name, "--output", str(broken), "--extend", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["steps"] == 6 and result["bits_per_dim"] > 0

    model = md4keras.load_model(broken / "model")
    after = model.network.get_weights()
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert all(np.isfinite(weight).all() for weight in after)
    assert [row["step"] for row in model.recipe["history"]] == [3, 4, 6]
    assert model.recipe["recipe"] == name
    samples = sorted(path.stem for path in (broken / "samples").iterdir())
    assert samples == [f"step_{step:07d}" for step in (3, 4, 6)]
    assert (type(model) is md4keras.GenMD4) is name.startswith("genmd4")
    labels = None if model.network.num_classes is None else 1
    tokens = model.generate(2, labels, num_steps=2, seed=1)
    assert tokens.shape == (2, *model.network.data_shape)
    assert 0 <= tokens.min() and tokens.max() < model.network.vocabulary_size
    assert cli.main(["evaluate", str(broken), "--num-draws", "2", "--limit", "4", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert 0 < measured["bits_per_dim"] < math.inf and measured["examples"] <= 4

    spare = RECIPES[name].settings.get("spare_tokens", 0)
    if own and model.tokenizer is not None:
        kept = data.prepared(own[1])
        assert model.network.vocabulary_size == kept.tokenizer.vocabulary_size + spare
        assert model.recipe["read"]["fingerprint"] == kept.facts["fingerprint"]
        assert model.recipe["read"]["rows_made"] == RECIPES[name].settings["rows"]


@pytest.mark.one_backend
def test_prepared_images_come_with_the_recipe(folders, capsys):
    def read(*changes):
        words = ["--data", str(folders("imagenet64")), "--batch-size", "4", "--set"]
        options = imagenet64.RECIPE.parse([*words, "image_shape=8,8,3", *changes])
        return inputs.read(imagenet64.RECIPE, plan.new(imagenet64.RECIPE, options))

    found = read()
    assert found.vocabulary_size == 256 and found.class_names is None
    assert next(iter(found.training(2))).shape == (4, 8, 8, 3)
    assert inputs.lines(found)[0] == "Read imagenet64: 16 images."
    with pytest.raises(ValueError, match="levels of at least 256. Received.*levels=17"):
        read("levels=17")


@pytest.mark.slow
@pytest.mark.one_backend
def test_the_commands_measure_what_was_held_out(folders, tmp_path, capsys):
    output, folder = tmp_path / "run", folders("fineweb_edu")
    small = ["--steps", "1", "--interval", "1", "--batch-size", "4", "--output", str(output)]
    settings = ["--set", *TEXT, "sampling.num_steps=2"]
    assert cli.main(["train", "fineweb_edu", "--data", str(folder), *small, *settings]) == 0
    capsys.readouterr()
    assert cli.main(["evaluate", str(output), "--num-draws", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    made = data.prepared(folder)
    held_out = made.splits["validation"].lengths
    assert found["dimensions"] == int(np.minimum(held_out + 1, 16).sum())  # each with its end
    assert "perplexity" in found and found["bits_per_dim"] > 0


@pytest.mark.one_backend
def test_recipes_of_large_data_want_a_folder(tmp_path, folders, capsys):
    def message(*arguments):
        with pytest.raises(SystemExit):
            cli.main(["train", *arguments, "--output", str(tmp_path / "run")])
        return capsys.readouterr().err

    assert "md4keras data prepare openwebtext --out FOLDER" in message("openwebtext")
    assert "md4keras data prepare imagenet64 --out FOLDER" in message("imagenet64")
    text = str(folders("fineweb_edu"))
    assert "Expected images with a training" in message("imagenet64", "--data", text)
    windows = message("fineweb_edu", "--data", text, "--set", "rows=windows")
    assert "rows=auto or one of joined, packed, padded. Received: rows=windows" in windows
    assert "for files of your own" in message("fineweb_edu", "--data", text, "--skip-bad")
