"""`import md4keras` stays light, and the core works where nothing else is installed."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_backend

ROOT = Path(__file__).parents[1]
OPTIONAL = (
    "PIL",
    "ai_edge_litert",
    "grain",
    "grpc",
    "keras_hub",
    "keras_nlp",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "openvino",
    "sklearn",
    "streamlit",
    "tensorboardX",
    "tensorflow",
    "tensorflow_datasets",
    "tensorflow_serving",
    "tf2onnx",
    "torch",
)


def run_python(code, *arguments):
    """Runs a program in a fresh process under JAX; returns what it prints."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-W", "error:::md4keras", "-c", textwrap.dedent(code), *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_leaves_optional_packages_alone():
    loaded = run_python(
        """
        import sys
        import keras

        before = set(sys.modules)  # Keras itself imports Pillow where it is installed
        import md4keras

        print(*{name.split(".")[0] for name in set(sys.modules) - before})
        assert not {"tensorflow", "torch"} & set(sys.modules)
        """
    ).split()
    assert "md4keras" in loaded
    assert not set(loaded) & set(OPTIONAL)


def test_core_trains_and_generates_without_optional_packages():
    printed = run_python(
        """
        import sys

        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in sys.argv[1:]:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Missing())

        import keras
        import numpy as np
        import md4keras

        tokens = np.random.default_rng(0).integers(0, 5, [64, 8]).astype("int32")
        net = md4keras.networks.Transformer(
            vocabulary_size=5, sequence_length=8, num_layers=1, num_heads=2, feature_dim=8
        )
        model = md4keras.MD4(net)
        model.compile(keras.optimizers.AdamW(1e-3))
        history = model.fit(tokens, epochs=1, verbose=0).history
        assert np.isfinite(history["bits_per_dim"]).all(), history
        generated = np.asarray(model.generate(2, num_steps=4))
        assert generated.shape == (2, 8), generated.shape
        assert generated.min() >= 0 and generated.max() < 5, generated
        print("trained and generated")
        """,
        *OPTIONAL,
    )
    assert printed.strip() == "trained and generated"
