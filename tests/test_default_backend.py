"""JAX is the backend where nobody has chosen one, and then nothing of TensorFlow is seen."""

import os
import subprocess
import sys

import pytest

from tests.reference import ROOT

pytestmark = pytest.mark.one_backend


def run(program, home, backend=None, folder=None):
    """Runs a program where Keras's settings are in `home`; returns what it prints."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KERAS_", "TF_"))}
    environment |= {
        "KERAS_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(folder or ROOT), str(ROOT)]),
    }
    environment |= {} if backend is None else {"KERAS_BACKEND": backend}
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0 and not result.stderr, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize(
    "settings, backend, chosen",
    [
        (None, None, "jax"),
        (None, "", "jax"),
        ('{"backend": "tensorflow"}', None, "jax"),  # Keras writes that by itself
        ('{"backend": "torch"}', None, "None"),  # left to Keras, which reads the same file
        ('{"backend": "torch"}', "tensorflow", "tensorflow"),
        (None, "torch", "torch"),
        ("no settings", None, "jax"),
        ("[]", None, "jax"),
    ],
)
def test_whose_choice_counts(tmp_path, settings, backend, chosen):
    if settings is not None:
        (tmp_path / "keras.json").write_text(settings)
    program = f"""
import os, runpy
runpy.run_path({str(ROOT / "md4keras" / "default_backend.py")!r})["choose_backend"]()
print(os.environ.get("KERAS_BACKEND"))
"""
    assert run(program, tmp_path, backend) == chosen


@pytest.mark.parametrize("with_tensorflow", [True, False])
def test_a_model_is_saved_and_loaded_in_silence(tmp_path, with_tensorflow):
    for name in () if with_tensorflow else ("tensorflow", "torch"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('no {name} here')")
    program = """
import md4keras, keras
network = md4keras.networks.Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)
md4keras.save_model(md4keras.MD4(network), "model")
model = md4keras.load_model("model")
print(keras.backend.backend(), model.generate(2, num_steps=2).shape)
"""
    assert run(program, tmp_path, folder=tmp_path) == "jax (2, 8)"
