"""Settings: each name changes what it says, and what is wrong is told with the known names."""

import json

import pytest

import md4keras
from tests.test_recipes import TINY, quick_evaluation, tiny  # noqa: F401
from train import (
    build,
    cifar10,
    digits,
    fineweb_edu,
    imagenet64,
    loop,
    openwebtext,
    pydoc,
    python_docs,
    text8,
)
from train.settings import RANGES, read_pairs

pytestmark = pytest.mark.one_backend
SMALLEST = [digits.RECIPE, pydoc.RECIPE, text8.RECIPE, cifar10.RECIPE]
RECIPES = [*SMALLEST, python_docs.RECIPE, text8.GENMD4]
RECIPES += [openwebtext.RECIPE, openwebtext.MEDIUM, openwebtext.GENMD4, fineweb_edu.RECIPE]
RECIPES += [imagenet64.RECIPE, imagenet64.BEST_LIKELIHOOD]


def complete(recipe, *pairs):
    return recipe.complete(read_pairs(list(pairs)))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_complete_and_as_json_holds_it(recipe):
    settings = recipe.complete()
    assert json.loads(json.dumps(settings)) == settings
    own = {n: list(v) if isinstance(v, tuple) else v for n, v in recipe.settings.items()}
    assert {name: settings[name] for name in own} == own
    assert recipe.complete(settings) == settings


def test_values_are_what_was_written():
    settings = complete(
        pydoc.RECIPE, "steps=1e3", "optimizer.learning_rate=1e-3", "network.dropout=0",
        "network.time_features=t", "model=GenMD4", "model.power_init=2", "network.remat=none",
        "precision=mixed_bfloat16", "sequence_length=64", "network.depth_scaled_init=True",
    )  # fmt: skip
    assert settings["steps"] == 1000 and settings["optimizer.learning_rate"] == 1e-3
    model = build.model(settings, 27)
    assert type(model) is md4keras.GenMD4 and model.network.sequence_length == 64
    assert model.network.compute_dtype == "bfloat16" and model.network.depth_scaled_init
    assert complete(digits.RECIPE, "image_shape=32,32,3")["image_shape"] == [32, 32, 3]
    planned = build.model(complete(pydoc.RECIPE, "model.planner_weight=1"), 27)
    assert planned.planner_weight == 1.0


def test_a_part_is_exchanged_with_its_arguments():
    settings = complete(
        digits.RECIPE, "network=UViT", "network.num_dit_layers=1", "network.num_heads=2",
        "network.hidden_dim=32", "network.channel_multipliers=1", "optimizer=adamw",
        "optimizer.weight_decay=0",
    )  # fmt: skip
    assert type(build.network(settings, 17, 10)) is md4keras.networks.UViT
    assert build.optimizer(settings).get_config()["epsilon"] < 1e-8


WRONG = {
    "network.num_layer=2": "Did you mean network.num_layers?",
    "num_heads=2": "Did you mean network.num_heads?",
    "xyz=1": "Expected one of: steps, batch_size",
    "network.vocabulary_size=5": "it follows from the data",
    "network.sequence_length=5": "set `sequence_length`",
    "levels=4": "Unknown setting",  # pydoc is text
    "network.num_layers=six": "`network.num_layers` cannot be used. Expected a whole number",
    "network.num_layers=1.5": "`network.num_layers` cannot be used",
    "network.num_layers=1e400": "`network.num_layers` cannot be used",
    "network.num_layers=true": "`network.num_layers` cannot be used",
    "network.num_layers=99999999999": "`network.num_layers` cannot be used",
    "network.num_layers=-1": "Received: network.num_layers=-1",
    "network.num_heads=0": "Received: network.num_heads=0",
    "network.feature_dim=7": "Received: network.feature_dim=7",
    "network.dropout=1.5": "Received: network.dropout=1.5",
    "network.remat=some": "Received: network.remat='some'",
    "optimizer.learning_rate=nan": "Expected a number",
    "optimizer.learning_rate=inf": "Expected a number",
    "optimizer.learning_rate=-1": "Received: optimizer.learning_rate=-1",
    "optimizer.learning_rate=0": "Received: optimizer.learning_rate=0",
    "optimizer.warmup_steps=-3": "Received: optimizer.warmup_steps=-3",
    "optimizer.ema_momentum=1": "Received: optimizer.ema_momentum=1",
    "model=MD5": "'MD4', 'GenMD4'",
    "model.schedule=no": "Unknown schedule",
    "model.power_init=2": "Unknown setting",  # of GenMD4 alone
    "model.planner_weight=-1": "planner_weight=-1",
    "network=UNet": "It is for data of text",
    "optimizer=sgd": "'adamw', 'clipped_adamw', 'muon'",
    "precision=float16": "'mixed_bfloat16'",
    "tokenizer=words": "'bytes'",
    "rows=some": "'windows', 'joined', 'packed', 'padded', 'pairs'",
    "long=drop": "'cut', 'split'",
    "spare_tokens=-1": "Received: spare_tokens=-1",
    "max_ends=0": "Received: max_ends=0",
    "max_ends=all": "Received: max_ends='all'",
    "sampling.sampler=best": "ancestral",
    "sampling.num_steps=0": "sampling.num_steps=0",
    "steps=0": "Received: steps=0",
    "steps=none": "Received: steps=None",
    "seed=-1": "Received: seed=-1",
    "batch_size=1e9": "Received: batch_size=1000000000",
    "sequence_length=0": "Received: sequence_length=0",
    "sequence_length=__import__('os')": "Received: sequence_length=",
    "steps=1e20": "from 1 to 2147483647",
    "steps=inf": "Use 1000, for instance",
    "network.num_layers=100000000": "from 0 to 1000",
    "network.feature_dim=1e8": "from 1 to 65536",
    "network.num_heads=1001": "from 1 to 1000",
    "optimizer.warmup_steps=1e20": "a whole number below 2**31",
    "network.remat=3": "None, 'activations', 'full'",
    "network.remat=true": "None, 'activations', 'full'",
    "network.mlp_type=2": "'swiglu'",
    "model.schedule=3": "'cosine'",
    "network.mlp_type=a,b": "'swiglu'",
    "steps": "written as name=value",
    "steps=": "written as name=value",
    "=3": "written as name=value",
}


@pytest.mark.parametrize("pair", WRONG)
def test_what_is_wrong_is_named(pair):
    with pytest.raises(ValueError) as error:
        build.check(complete(pydoc.RECIPE, pair))
    message = str(error.value)
    assert WRONG[pair] in message and "Received: " in message


def test_a_tokenizer_is_a_name_or_a_place(tmp_path, monkeypatch):
    for place in ("bytes", "text8", "runs/tokenizer.json", "gpt2_base_en", "hf://me/mine"):
        assert complete(pydoc.RECIPE, f"tokenizer={place}")["tokenizer"] == place
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pieces").mkdir()
    assert complete(pydoc.RECIPE, "tokenizer=pieces")["tokenizer"] == "pieces"
    for value in ("words", "3", "none"):
        with pytest.raises(
            ValueError, match="'fit', 'word_pieces', 'text8'.* md4keras data tokenizer makes one"
        ):
            complete(pydoc.RECIPE, f"tokenizer={value}")


@pytest.mark.parametrize(
    "value", ["32,32", "32,32,2", "0,8,1", "a,b,c", "8", "9000,8,1", "8192,8192,1", "none"]
)
def test_shapes_of_images_are_checked(value):
    with pytest.raises(ValueError, match="Write image_shape=32,32,3"):
        complete(digits.RECIPE, f"image_shape={value}")


@pytest.mark.parametrize("value", ["65", "1," * 13 + "1"])
def test_resolutions_are_bounded(value):
    with pytest.raises(ValueError, match="up to 13 whole numbers, each up to 64"):
        complete(
            digits.RECIPE, "network=UViT", "network.num_dit_layers=1", "network.num_heads=2",
            "network.hidden_dim=32", f"network.channel_multipliers={value}",
        )  # fmt: skip


def test_models_that_fit_nowhere_are_refused():
    wide = complete(pydoc.RECIPE, "network.feature_dim=65536", "network.num_layers=8")
    with pytest.raises(ValueError, match="too large. Expected at most 17,179,869,184 parameters"):
        build.check(wide)


@pytest.mark.parametrize("recipe", SMALLEST, ids=lambda recipe: recipe.name)
def test_ranges_are_checked_before_anything_is_read(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop.inputs, "read", lambda *_: pytest.fail("read"))
    for wrong in ("network.dropout=1.5", "model.time_sampling=no", "optimizer.weight_decay=-1"):
        with pytest.raises(SystemExit):
            loop.main(recipe, ["--output", str(tmp_path / "run"), "--set", wrong])
        assert f"Received: {wrong.replace('no', repr('no'))}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["steps", "batch_size", "interval", "seed"])
def test_flags_have_the_ranges_of_settings(name, capsys):
    least, most, good = RANGES[name]
    flag = f"--{name.replace('_', '-')}"
    assert pydoc.RECIPE.parse([flag, str(most)]).changes == {name: most}
    for value in (least - 1, most + 1, "1.5"):
        with pytest.raises(SystemExit):
            pydoc.RECIPE.parse([flag, str(value)])
        assert f"must be a whole number from {least} to {most}" in capsys.readouterr().err
        with pytest.raises(ValueError, match=f"from {least} to {most}.*Use {good}, for instance"):
            complete(pydoc.RECIPE, f"{name}={value}")


def test_a_setting_is_given_once():
    with pytest.raises(ValueError, match="given once"):
        read_pairs(["steps=3", "steps=4"])
    with pytest.raises(ValueError, match="by --steps and by --set"):
        pydoc.RECIPE.parse(["--steps", "3", "--set", "steps=4"])


def test_a_recipe_of_ones_own_is_checked_too():
    with pytest.raises(ValueError, match="Did you mean network.num_heads"):
        pydoc.RECIPE.but(**{"network.heads": 3}).complete()


def test_shapes_that_the_data_do_not_have_are_refused(tmp_path, capsys):
    arguments = [*TINY, "--output", str(tmp_path / "run"), "--set", "image_shape=16,16,1"]
    with pytest.raises(SystemExit):
        loop.main(tiny(digits.RECIPE), arguments)
    assert "Expected image_shape=8,8,1" in capsys.readouterr().err


@pytest.mark.slow
def test_what_ran_is_kept(tmp_path):
    output = tmp_path / "run"
    arguments = [*TINY, "--output", str(output), "--set", "network.dropout=0.1", "model=GenMD4"]
    results = loop.main(tiny(pydoc.RECIPE), arguments)
    recipe = json.loads((output / "model" / "recipe.json").read_text())
    settings = recipe["settings"]
    assert settings["network.dropout"] == 0.1 and settings["model"] == "GenMD4"
    assert settings["steps"] == recipe["steps"] == results["steps"] == 4
    assert recipe["read"]["characters"] > 0 and recipe["source"] == "pydoc"
    assert recipe["weights"] == "last step"  # 0.99**4 of the start would be left
