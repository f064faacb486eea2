"""JAX's own program of the denoiser, in a SavedModel that TensorFlow alone runs."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import md4keras
from md4keras.export import export_native
from md4keras.networks import Transformer
from tests.reference import ROOT, array

pytestmark = pytest.mark.xdist_group("native")

RUN = """
import sys
for name in ("keras", "md4keras", "jax", "torch"):
    sys.modules[name] = None  # importing it fails
import numpy as np
import tensorflow as tf
denoise = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
asked = np.load(sys.argv[2])
answers = []
for size in "12":
    inputs = {name: asked[name + size] for name in ("tokens", "time", "labels")}
    answers.append(denoise(**{name: tf.constant(value) for name, value in inputs.items()}))
inputs["time"] = inputs["time"][:1]
try:
    denoise(**{name: tf.constant(value) for name, value in inputs.items()})
    refused = ""
except tf.errors.InvalidArgumentError as error:
    refused = str(error)
logits = {f"logits{size}": each["logits"] for size, each in zip("12", answers)}
np.savez(sys.argv[3], refused=refused, **logits)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model in classes and the version that was exported."""
    network = Transformer(5, 6, num_layers=1, num_heads=2, feature_dim=8, num_classes=3)
    generator = np.random.default_rng(0)
    for weight in network.trainable_variables:
        weight.assign(0.2 * generator.standard_normal(weight.shape))
    model = md4keras.MD4(network)
    return model, export_native(model, tmp_path_factory.mktemp("native") / "served", verbose=False)


@pytest.mark.slow
def test_logits_are_the_models_without_keras_and_jax(exported, tmp_path):
    model, version = exported
    asked = {}
    for name, shape in (("1", (1, 6)), ("2", (3, 9))):
        asked[f"tokens{name}"] = np.random.default_rng(1).integers(0, 6, shape, "int32")
        asked[f"time{name}"] = np.linspace(1.0, 0.0, shape[0], dtype="float32")
        asked[f"labels{name}"] = np.arange(shape[0], dtype="int32")
    np.savez(tmp_path / "asked.npz", **asked)
    files = [str(tmp_path / "asked.npz"), str(tmp_path / "answers.npz")]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-I", "-c", RUN, str(version), *files],
        env=environment | {"CUDA_VISIBLE_DEVICES": "-1"},
        cwd=tmp_path,
        check=True,
    )
    with np.load(files[1]) as answers:
        for name in "12":
            inputs = (asked[key + name] for key in ("tokens", "time", "labels"))
            expected = array(model.predict_logits(*inputs))
            np.testing.assert_allclose(answers[f"logits{name}"], expected, atol=1e-5, rtol=1e-5)
        refused = str(answers["refused"])
    assert refused and str(ROOT) not in refused


@pytest.mark.one_backend
def test_version_is_complete_and_tells_no_paths(exported):
    version = exported[1]
    assert version.name == "1" and os.listdir(version.parent) == ["1"]
    program = (version / "saved_model.pb").read_bytes()
    assert b"XlaCallModule" in program and str(ROOT).encode() not in program
    manifest = json.loads((version / "assets.extra" / "manifest.json").read_text())
    assert list(manifest["signatures"]) == ["serving_default"]
    assert list(manifest["signatures"]["serving_default"]["inputs"]) == ["tokens", "time", "labels"]
    assert "limits" not in manifest and "sampler" not in manifest
    assert (version / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0


@pytest.mark.one_backend
def test_a_version_that_exists_is_refused(exported):
    model, version = exported
    with pytest.raises(ValueError, match="exists"):
        export_native(model, version.parent, version=1)
    assert os.listdir(version.parent) == ["1"]
