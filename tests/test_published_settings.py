"""Each entry of the published settings, and what is called by its name here: equal throughout.

`tests/data/published_settings.json` holds the arguments of the published configurations.
"""

import dataclasses
import json
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest

import md4keras
from benchmarks import settings
from md4keras.conversion import build_network
from tests.reference import array, reference_file
from train import build, cifar10, text8

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


def of_recipe(recipe):
    chosen = recipe.complete()
    sampling = build.arguments(chosen, "sampling")
    return Named(
        lambda: build.model(chosen, 27 if recipe.kind == "text" else chosen["levels"]),
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
    "md4_cifar10": {"train.cifar10": of_recipe(cifar10.RECIPE), "cifar10": of_benchmark("cifar10")},
    "md4_openwebtext": {"md4_owt": of_benchmark("md4_owt")},
    "genmd4_openwebtext": {"genmd4_owt": of_benchmark("genmd4_owt")},
}
NOT_YET = {
    "genmd4_text8",
    "md4_fineweb_edu",
    "md4_imagenet64",
    "md4_imagenet64_best_likelihood",
    "md4_openwebtext_medium",
}
CASES = [(entry, name) for entry, here in NAMED.items() for name in here]


@pytest.fixture(params=CASES, ids=[f"{entry}-{name}" for entry, name in CASES])
def pair(request):
    entry, name = request.param
    return PUBLISHED[entry], NAMED[entry][name]


def test_no_entry_is_forgotten():
    """Whoever adds a recipe of a published setting moves its entry from `NOT_YET` to `NAMED`."""
    assert NAMED.keys() | NOT_YET == PUBLISHED.keys() and not NAMED.keys() & NOT_YET


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
        def build(num_layers, **arguments):
            asked.append(num_layers)
            return network(num_layers=1, **arguments)

        return build

    for name in ("Transformer", "UNet"):
        network = getattr(md4keras.networks, name)
        monkeypatch.setattr(md4keras.networks, name, shallow(network))
    return asked


def test_the_model(pair, layers):
    published, ours = pair
    model = ours.model()
    assert layers == [published["n_layers"]]
    arguments = {name: published[name] for name in NETWORK if name in published}
    network = build_network({**arguments, "n_layers": 1})
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
        assert ours.sampling == tuple(published[name] for name in SAMPLING)
