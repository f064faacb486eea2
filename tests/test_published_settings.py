"""Each entry of the published settings, and what is called by its name here: equal throughout.

`tests/data/published_settings.json` holds the arguments of the published configurations.
"""

import dataclasses
import importlib
import json
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest

import md4keras
from benchmarks import settings
from md4keras.cli import train as cli
from md4keras.conversion import build_network
from tests.reference import array, reference_file
from train import build, cifar10, fineweb_edu, imagenet64, openwebtext, text8

pytestmark = pytest.mark.one_backend

PUBLISHED = json.loads(reference_file("published_settings.json").read_text(encoding="utf-8"))

# The arguments of the published networks, and our checkpoints' names of them.
NETWORK = ("vocab_size", "data_shape", "classes", "time_features", "feature_dim", "n_layers")
NETWORK += ("num_heads", "mlp_type", "depth_scaled_init", "cond_type", "outside_embed")
NETWORK += ("n_dit_layers", "dit_num_heads", "dit_hidden_size", "ch_mult", "dropout_rate")
MODEL = ("model_type", "noise_schedule", "cont_time", "power_init")
OPTIMIZER = ("learning_rate", "learning_rate_schedule", "warmup_steps", "weight_decay", "clip")
OPTIMIZER += ("b2", "ema_rate", "num_train_steps")
SAMPLING = ("sampler", "sampling_grid", "timesteps")  # `timesteps` has no other use: `cont_time`
WITHOUT_EFFECT = ("dataset", "topp")  # the latter is another sampler's


@dataclasses.dataclass(frozen=True)
class Named:
    """What bears the name of a published setting; `None` where it does without.

    Benchmarks measure single steps, at batches of their own.
    """

    model: Callable
    optimizer: keras.optimizers.Optimizer
    batch_size: int | None = None
    steps: int | None = None
    sampling: tuple | None = None


VOCABULARIES = {"text8": 27, "gpt2_base_en": 50257}  # of tokenizers


def of_recipe(recipe):
    chosen = recipe.complete()
    sampling = build.arguments(chosen, "sampling")
    values = chosen.get("levels")
    if recipe.kind == "text":
        values = VOCABULARIES[chosen["tokenizer"]] + chosen["spare_tokens"]
    return Named(
        lambda: build.model(chosen, values),
        build.optimizer(chosen),
        chosen["batch_size"],
        chosen["steps"],
        (sampling["sampler"], sampling["time_grid"], sampling["num_steps"]),
    )


def of_benchmark(name):
    setting = settings.get(name)

    def model():
        network = getattr(md4keras.networks, setting.network)(**setting.arguments)
        return getattr(md4keras, setting.model)(network)

    sampling = ("ancestral", settings.TIME_GRID, settings.SAMPLING_STEPS)
    return Named(model, setting.optimizer(), sampling=sampling if name == "md4_owt" else None)


NAMED = {
    "md4_text8": {"train.text8": of_recipe(text8.RECIPE), "text8": of_benchmark("text8")},
    "genmd4_text8": {"train.text8.GENMD4": of_recipe(text8.GENMD4)},
    "md4_openwebtext": {
        "train.openwebtext": of_recipe(openwebtext.RECIPE),
        "md4_owt": of_benchmark("md4_owt"),
    },
    "md4_openwebtext_medium": {"train.openwebtext.MEDIUM": of_recipe(openwebtext.MEDIUM)},
    "genmd4_openwebtext": {
        "train.openwebtext.GENMD4": of_recipe(openwebtext.GENMD4),
        "genmd4_owt": of_benchmark("genmd4_owt"),
    },
    "md4_fineweb_edu": {"train.fineweb_edu": of_recipe(fineweb_edu.RECIPE)},
    "md4_cifar10": {"train.cifar10": of_recipe(cifar10.RECIPE), "cifar10": of_benchmark("cifar10")},
    "md4_imagenet64": {"train.imagenet64": of_recipe(imagenet64.RECIPE)},
    "md4_imagenet64_best_likelihood": {
        "train.imagenet64.BEST_LIKELIHOOD": of_recipe(imagenet64.BEST_LIKELIHOOD)
    },
}
# How the texts are made into rows, as `OTHERS.md` of the reference tells of the published code.
ROWS = {"text8": "windows", "openwebtext": "joined", "fineweb_edu": "packed"}
RECIPES = {
    "text8": (text8.RECIPE, text8.GENMD4),
    "openwebtext": (openwebtext.RECIPE, openwebtext.MEDIUM, openwebtext.GENMD4),
    "fineweb_edu": (fineweb_edu.RECIPE,),
    "cifar10": (cifar10.RECIPE,),
    "downsampled_imagenet/64x64": (imagenet64.RECIPE, imagenet64.BEST_LIKELIHOOD),
}
CASES = [(entry, name) for entry, here in NAMED.items() for name in here]


@pytest.fixture(params=CASES, ids=[f"{entry}-{name}" for entry, name in CASES])
def pair(request):
    entry, name = request.param
    return PUBLISHED[entry], NAMED[entry][name]


def test_every_entry_has_a_recipe():
    assert NAMED.keys() == PUBLISHED.keys()
    assert all(any(name.startswith("train.") for name in here) for here in NAMED.values())


def test_a_recipe_has_the_data_of_its_entry():
    """Under the entry's name, but for the prefix; in rows as published."""
    for entry, published in PUBLISHED.items():
        name = entry.removeprefix("md4_")
        (recipe,) = (each for each in RECIPES[published["dataset"]] if each.name == name)
        settings = recipe.complete()
        shape = settings.get("image_shape") or [settings["sequence_length"]]
        assert shape == published["data_shape"] and published["classes"] == -1
        if recipe.kind == "text":
            assert settings["rows"] == ROWS[published["dataset"]]
        else:
            assert settings["labels"] is False and settings["levels"] == 256
    assert fineweb_edu.RECIPE.complete()["long"] == "cut"


def test_every_recipe_is_trained_by_its_name():
    known = {recipe.name: recipe for recipes in RECIPES.values() for recipe in recipes}
    assert known.keys() <= cli.RECIPES.keys() and cli.VARIANTS.keys() <= known.keys()
    for name, recipe in known.items():
        file, attribute = cli.VARIANTS.get(name, (name, "RECIPE"))
        assert getattr(importlib.import_module(f"train.{file}"), attribute) is recipe


def test_what_is_measured_is_listed():
    measured = {name for here in NAMED.values() for name in here}
    assert settings.TRAINING.keys() <= measured
    assert settings.SAMPLING_STEP.arguments == settings.get("md4_owt").arguments


@pytest.mark.parametrize("entry", PUBLISHED)
def test_every_argument_is_compared_or_without_effect(entry):
    known = {*NETWORK, *MODEL, *OPTIMIZER, *SAMPLING, *WITHOUT_EFFECT, "batch_size"}
    assert set(PUBLISHED[entry]) <= known


@pytest.fixture
def layers(monkeypatch):
    """The layers that networks are asked for, while they get one each: it saves a minute."""
    asked = []

    def shallow(network):
        def build(num_layers, num_dit_layers=None, **arguments):
            asked.append((num_layers, num_dit_layers))
            core = {} if num_dit_layers is None else {"num_dit_layers": 1}
            return network(num_layers=1, **core, **arguments)

        return build

    for name in ("Transformer", "UNet", "UViT"):
        network = getattr(md4keras.networks, name)
        monkeypatch.setattr(md4keras.networks, name, shallow(network))
    return asked


def test_the_model(pair, layers):
    published, ours = pair
    model = ours.model()
    assert layers == [(published["n_layers"], published.get("n_dit_layers"))]
    arguments = {name: published[name] for name in NETWORK if name in published}
    arguments |= {name: 1 for name in ("n_layers", "n_dit_layers") if name in published}
    network = build_network(arguments)
    configs = [each.get_config() for each in (model.network, network)]
    for config in configs:
        del config["name"], config["remat"]  # how it is computed
    assert configs[0] == configs[1]
    assert published["cont_time"]
    if published["model_type"] == "genmd4":
        assert type(model) is md4keras.GenMD4 and published["noise_schedule"] == "poly"
        assert model.schedule.power_init == published["power_init"]
    else:
        assert type(model) is md4keras.MD4 and model.timesteps is None
        schedule = md4keras.schedules.get(published["noise_schedule"])
        assert type(model.schedule) is type(schedule)
        assert model.schedule.get_config() == schedule.get_config()


def test_the_optimizer(pair):
    published, ours = pair
    config = ours.optimizer.get_config()
    assert type(ours.optimizer) is keras.optimizers.AdamW
    assert published["clip"] == 0.0
    assert not any(config[name] for name in ("clipnorm", "clipvalue", "global_clipnorm"))
    assert (config["beta_1"], config["beta_2"]) == (0.9, published["b2"])
    assert config["epsilon"] == 1e-8 * math.log(2)  # of a gradient in nats
    assert config["weight_decay"] == published["weight_decay"]
    assert config["use_ema"] and config["ema_momentum"] == published["ema_rate"]
    assert not config["amsgrad"] and config["gradient_accumulation_steps"] is None


def test_the_learning_rate(pair):
    published, ours = pair
    peak, warmup = published["learning_rate"], published["warmup_steps"]
    steps = published["num_train_steps"]
    assert published["learning_rate_schedule"] == "cosine"
    at = np.unique([*range(3), *np.linspace(0, 2 * warmup, 9), *np.linspace(0, steps, 19)])
    at = at.astype("int64")
    decay = 0.5 * (1 + np.cos(np.pi * np.maximum(0, (at - warmup) / (steps - warmup))))
    expected = peak * np.minimum(1, at / warmup) * decay
    found = [float(array(ours.optimizer._learning_rate(step))) for step in at]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * peak)


def test_the_size_of_the_run_and_its_samples(pair):
    published, ours = pair
    if ours.steps is not None:
        assert ours.steps == published["num_train_steps"]
        assert ours.batch_size == published["batch_size"]
    if ours.sampling is not None:
        for name, value in zip(SAMPLING, ours.sampling, strict=True):
            assert value == published.get(name, value)  # GenMD4's entries name no sampler
