"""Before and after give the same bits. `MD4KERAS_GOLDENS` names what `make` has filled."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

import md4keras
from tests.goldens import make

FOLDER = os.environ.get("MD4KERAS_GOLDENS")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="MD4KERAS_GOLDENS names no folder")
# Two expressions of one term became one: the last bit may differ.
LAST_BIT = ("general/diffusion_loss",)


def goldens():
    with np.load(Path(FOLDER) / f"{keras.backend.backend()}.npz") as file:
        return dict(file)


def check(found, name):
    wanted = {key: value for key, value in goldens().items() if key.startswith(name)}
    assert wanted and set(found) == set(wanted)
    wrong = {}
    for key, value in wanted.items():
        ours = np.asarray(found[key])
        if ours.dtype != value.dtype or ours.shape != value.shape:
            wrong[key] = (ours.dtype, ours.shape, value.dtype, value.shape)
        elif key in LAST_BIT:
            np.testing.assert_array_max_ulp(ours, value, 1)
        elif not np.array_equal(ours, value):
            gap = np.abs(ours.astype("float64") - value)
            wrong[key] = float(gap.max()), float(np.abs(value).max()), int((gap > 0).sum())
    assert not wrong, "\n".join(f"{key}: {what}" for key, what in wrong.items())


@pytest.mark.parametrize("name", make.MODELS)
def test_tokens(name):
    check({f"{name}/tokens/{k}": v for k, v in make.tokens_of(name).items()}, f"{name}/tokens/")


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="numbers were kept of JAX alone")
@pytest.mark.parametrize("name", make.MODELS)
def test_numbers(name):
    found = {f"{name}/{key}": value for key, value in make.numbers_of(name).items()}
    tokens = {k: v for k, v in goldens().items() if k.startswith(f"{name}/tokens/")}
    check(found | tokens, f"{name}/")


@pytest.mark.parametrize("name", make.MODELS)
def test_models_saved_before_load(name):
    model = md4keras.load_model(Path(FOLDER) / "saved" / name)
    built = make.build(name)
    x, labels = make.data(built)
    zt = np.where(np.random.default_rng(10).random(x.shape) < 0.6, built.mask_token, x)
    logits = [each.predict_logits(zt, 0.5, labels) for each in (model, built)]
    ours, theirs = map(keras.ops.convert_to_numpy, logits)
    np.testing.assert_array_equal(ours, theirs)
    assert model.recipe["recipe"] == name
    if name in ("text", "general"):
        assert model.tokenizer.decode([0, 10, 11]) == "a _"
