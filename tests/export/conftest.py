"""Tiny models of three kinds, exported once, and a way to ask an export without Keras."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import md4keras
from md4keras import samplers
from md4keras.export import Limits, export_saved_model
from md4keras.networks import DiT, Transformer, UNet
from md4keras.tokenizers import ByteTokenizer, CharacterTokenizer
from tests.models.weights import randomised

LENGTH = 12
ASK = Path(__file__).with_name("ask.py")


def pytest_collection_modifyitems(items):
    """One of several processes makes the exports, and asks them."""
    for item in items:
        if "exported" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("export"))


def text_model():
    """MD4 of characters, with an underscore in the alphabet and its order shuffled."""
    keras.utils.set_random_seed(0)
    network = Transformer(6, LENGTH, num_layers=1, num_heads=2, feature_dim=8)
    model = md4keras.MD4(spread(network))
    model.tokenizer = CharacterTokenizer("cab_é ")
    return model


def image_model():
    """MD4 of 4 x 4 images of 300 levels in 3 classes, in discrete time, with guidance."""
    keras.utils.set_random_seed(1)
    network = UNet(300, (4, 4, 1), num_layers=0, feature_dim=64, num_classes=3, label_dropout=0.1)
    return md4keras.MD4(spread(network), schedule="cosine", timesteps=20)


def byte_model():
    """GenMD4 of bytes without time, whose exponents differ; exported for less than its length."""
    keras.utils.set_random_seed(2)
    sizes = {"num_layers": 1, "num_heads": 2, "feature_dim": 8}
    network = Transformer(256, LENGTH + 4, **sizes, time_features="none")
    model = md4keras.GenMD4(spread(network))
    model.schedule.theta.assign(np.linspace(-0.5, 1.5, 256))
    model.tokenizer = ByteTokenizer()
    return model


def block_model():
    """Block diffusion of characters in 3 classes, with guidance."""
    keras.utils.set_random_seed(3)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "feature_dim": 8}
    network = DiT(6, LENGTH, **sizes, num_classes=3, label_dropout=0.1)
    return md4keras.BlockDiffusion(randomised(network), block_size=4)


def spread(network):
    """Gives the head weights, which start at zero, so that logits depend on the inputs.

    Wide sums get small weights, so that logits are of order 1 and their rounding below 1e-5.
    """
    generator = np.random.default_rng(0)
    for weight in network.trainable_variables:
        if not np.any(keras.ops.convert_to_numpy(weight)):
            scale = min(0.1, np.prod(weight.shape[:-1]) ** -0.5)
            weight.assign(scale * generator.standard_normal(weight.shape))
    return network


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """`exported(name)`: a model, and the folder of its export (made at the first call)."""
    made = {}
    orders = {
        "text": (text_model, {"limits": Limits(num_samples=8, num_steps=32, num_draws=16)}),
        "image": (image_model, {"sampler": samplers.Remasking(rule="confidence")}),
        "blocks": (
            block_model,
            {
                "limits": Limits(length=LENGTH + 8),
                "signatures": (
                    "serving_default",
                    "generate",
                    "infill",
                    "next_block",
                    "block_logits",
                ),
            },
        ),
        "bytes": (
            byte_model,
            {
                "limits": Limits(length=LENGTH, num_steps=8),
                "signatures": ("generate", "infill", "infill_text", "score"),
            },
        ),
    }

    def get(name):
        if name not in made:
            build, options = orders[name]
            model, folder = build(), tmp_path_factory.mktemp(name) / "served"
            export_saved_model(model, folder, verbose=False, **options)
            made[name] = model, folder
        return made[name]

    return get


@pytest.fixture(scope="session")
def ask():
    """`ask(version, requests)`: answers from a process in which Keras cannot be imported.

    A request is `(signature, inputs)`; its answer the outputs, or the message of an error.
    """
    processes = {}

    def run(version, requests, script=ASK):
        key = str(version), str(script)
        if key not in processes:
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            processes[key] = subprocess.Popen(
                [sys.executable, "-I", str(script), str(version)],
                env=environment | {"CUDA_VISIBLE_DEVICES": "-1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        process = processes[key]
        pickle.dump(requests, process.stdin)
        process.stdin.flush()
        return pickle.load(process.stdout)

    yield run
    for process in processes.values():
        process.communicate(timeout=60)
