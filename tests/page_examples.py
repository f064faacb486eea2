"""What the examples of pages find when tests run them: names, small numbers, and why some are not.

A new page needs nothing here if its blocks run as they stand and are short.
"""

import contextlib
import dataclasses
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import md4keras
from md4keras import layers, networks, tokenizers
from tests.reference import load_reference, reference_params
from tests.tiny_models import save_image_model, save_text_model


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: its path in the checkout.
        language: what follows the fence; empty for commands.
        text: its lines, without the indentation of the fence.
    """

    page: str
    language: str
    text: str

    @property
    def key(self) -> str:
        """The page and the first line."""
        return f"{self.page}: {self.text.splitlines()[0]}"

    def commands(self) -> list[str]:
        r"""The lines that are typed: those after `$ `, or all where there is none."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        typed = [line[2:] for line in lines if line.startswith("$ ")]
        return typed or [line for line in lines if line.strip() and line.strip()[0] != "#"]


# Blocks, by page and first line, and the reason.
NOT_RUN = {
    "docs/devices.md: strategy = tf.distribute.MirroredStrategy()": (
        "runs on TensorFlow in tests/models/test_devices_elsewhere.py"
    ),
    "docs/export.md: import tensorflow as tf": (
        "runs without Keras in tests/export/test_plain_tensorflow.py"
    ),
    "docs/quality.md: from md4keras.evaluation.causal import CausalModel": (
        "needs GPT-2 large; tests/evaluation/test_causal.py reads a small one"
    ),
    "docs/quality.md: from md4keras.evaluation.image_report import ImageReport": (
        "needs the weights; tests/evaluation/test_inception.py has random ones"
    ),
    "docs/results.md: rted of and applaced bys notem are insults sht lite the conted ind ither "
    "objectarame and x batht future targumenby any numbers d": "samples, no commands",
    "docs/presets.md: from md4keras.evaluation.report import read_report": (
        "needs a measurement; tests/saving/test_model_card.py has one"
    ),
    "docs/evaluation.md: import lm_eval": (
        "needs the network; tests/evaluation/test_harness.py runs the same on tasks of its own"
    ),
}
CLUSTER = "tests/test_pages.py reads its commands"
NOT_RUN |= {
    "docs/accelerators.md: #!/bin/bash": CLUSTER,
    "docs/accelerators.md: apiVersion: batch/v1": CLUSTER,
}
PROGRAMS_NOT_RUN = {
    "curl": "needs the server; tests/test_model_server.py sends the same",
    "docker": "needs Docker; tests/test_serving_folder.py reads its files",
    "pip": "needs the network; tests/test_wheel.py installs",
}
# A process of TensorFlow for each format; networks and samplers that are compiled one by one.
SLOW = {
    "docs/data.md",
    "docs/devices.md",
    "docs/evaluation.md",
    "docs/export.md",
    "docs/finetuning.md",
    "docs/networks.md",
    "docs/sampling.md",
    "docs/training.md",
}

# Numbers that make an example long, and what a test takes instead.
SHORTER = {
    "README.md": {
        "*digits.training, batch_size=64, epochs=17": "*(x[:64] for x in digits.training)",
        "num_steps=32": "num_steps=2",
        "num_samples=1, temperature=0.7)": "num_samples=1, temperature=0.7, num_steps=2)",
        "length=32, temperature=0.7)": "length=32, temperature=0.7, num_steps=2)",
    },
    "docs/data.md": {"steps_per_epoch=500": "steps_per_epoch=2"},
    "docs/training.md": {
        "steps_per_epoch=5000, epochs=20": "steps_per_epoch=2, epochs=2",
        "every=1000)\nbatches": "every=3)\nbatches",
        "128, 2, 4, 64)": "128, 1, 1, 8)",
        "steps_per_epoch=500, epochs=4": "steps_per_epoch=1, epochs=1",
        "epochs=17": "epochs=1",
        "data.digits().training[0]": "data.digits().training[0][:64]",
    },
    "docs/sampling.md": {
        "num_steps=256": "num_steps=2",
        "num_steps=64": "num_steps=2",
        "generate_blocks(4, length=2000)": "generate_blocks(4, length=40, num_steps=2)",
        "infill(tokens, mask)  #": "infill(tokens, mask, num_steps=2)  #",
        "num_samples=64)  # nats": "num_samples=2)  # nats",
        "mask[1, :9]])": "mask[1, :9]], num_steps=2)",
        "infill(padded, mask)": "infill(padded, mask, num_steps=2)",
        "length=[16, 9])": "length=[16, 9], num_steps=2)",
    },
    "docs/quality.md": {
        "[0.7, 0.85, 1.0]": "[0.7, 1.0]",
        '[32, 128], "sampler": ["ancestral", "event"]': "[2]",
        "report, 512": "report, 2",
    },
    "docs/evaluation.md": {
        "num_draws=16": "num_draws=2",
        "bracket=True, num_samples=64": "bracket=True, num_samples=16",
        "num_steps=8)": "num_steps=1)",
        "num_steps=16, time": "num_steps=1, time",
        "num_samples=64": "num_samples=2",
        "stride=4)": "stride=4, num_samples=2)",
    },
    "docs/export.md": {"linspace(1.0, 0.0, 257)": "linspace(1.0, 0.0, 3)"},
}
# What is true after a page's Python has run, of its names and of what it printed.
AFTERWARDS = {
    "README.md": lambda names, said: Path("runs/first/config.json").is_file(),
    "docs/conversion.md": lambda names, said: Path("models/llada/tokenizer.json").is_file(),
    "docs/data.md": lambda names, said: (
        "Read pydoc: 386,903 characters." in said and names["model"].optimizer.iterations == 2
    ),
    "docs/networks.md": lambda names, said: names["Mixer"](27, LENGTH, 1, 8).count_params() > 0,
    "docs/quality.md": lambda names, said: (
        len(names["rows"]) == 2 and Path("frontier.png").is_file() and Path("calls.png").is_file()
    ),
    "docs/objectives.md": lambda names, said: (
        "a bound: False" in said
        and "not the bound" in said
        and abs(names["report"].findings[0].loss - np.log(2) / 2) < 0.02
    ),
    "docs/tokenizers.md": lambda names, said: (
        "the ____ statement" in said and names["tokenizer"].vocabulary_size == 2048
    ),
    "docs/evaluation.md": lambda names, said: (
        "windows of 16 tokens, 4 of them new" in said and len(names["found"].chosen) == 2
    ),
    "docs/training.md": lambda names, said: (
        names["history"].epoch == [0, 1] and Path("runs/mine/states/step_0000000004").is_dir()
    ),
    "docs/presets.md": lambda names, said: (
        "license: apache-2.0" in said and "transformer (Transformer)" in said
    ),
    "docs/sampling.md": lambda names, said: (
        "1 of at most 3 network calls" in said and names["samples"].shape == (4, LENGTH)
    ),
}
FEW = {  # options that keep a command short
    "evaluate": ["--num-draws", "2", "--limit", "8"],
    "generate": ["--num-steps", "2"],
    "infill": ["--num-steps", "2"],
    "score": ["--num-draws", "2"],
}

LENGTH = 16
SIZES = dict(num_layers=1, num_heads=2, feature_dim=64)


def names(page: str, stack: contextlib.ExitStack) -> dict:
    """The names that a page's Python expects; `shorter` has further replacements."""
    prepared = {
        "docs/conversion.md": _of_conversion,
        "docs/finetuning.md": _of_finetuning,
        "docs/networks.md": _of_networks,
        "docs/sampling.md": _of_sampling,
        "docs/evaluation.md": _of_text,
        "docs/export.md": _of_export,
        "docs/presets.md": _of_presets,
        "docs/quality.md": _of_text,
        "docs/serving.md": _of_serving,
    }
    return prepared[page](stack) if page in prepared else {}


def _of_conversion(stack) -> dict:
    pytest.importorskip("safetensors")
    from tests.conversion import hub_double

    tokenizer = hub_double.word_pieces(280, ("<|endoftext|>", "<|mask|>", "<|user|>"))
    config, arrays = hub_double.with_words("llada", tokenizer.special_tokens["<|mask|>"])
    hub_double.save_sharded(Path("LLaDA-8B-Base"), config, arrays)
    tokenizer.save("LLaDA-8B-Base/tokenizer.json")
    return {}


def _of_finetuning(stack) -> dict:
    model, network = (md4keras.MD4(networks.Transformer(5, 8, 1, 2, 8)) for _ in range(2))
    tokens = np.zeros((32, 8), "int32")
    return {"model": model, "network": network.network, "tokens": tokens, "md4keras": md4keras,
            "keras": keras}  # fmt: skip


def _of_networks(stack) -> dict:
    shapes = dict(sequence_length=LENGTH, image_shape=(8, 8, 1), num_dit_layers=1, hidden_dim=64)
    reference = load_reference("llada")
    params = {k.removeprefix("params/"): v for k, v in reference_params(reference).items()}
    stack.callback(keras.config.set_dtype_policy, keras.config.dtype_policy())
    network = networks.Transformer(27, LENGTH, **SIZES)
    model = md4keras.MD4(network)
    model.compile("adamw")
    return {
        **SIZES,
        **shapes,
        "intermediate_dim": 96,
        "config": json.loads(str(reference["config"]))["hf_config"],
        "params": params,
        "ids": np.arange(8),
        "model": model,
        "vocabulary_size": 27,
        "keras": keras,
        "layers": layers,
        "networks": networks,
        "network": network,
        "tokens": np.zeros((2, LENGTH), "int32"),
        "x": np.zeros((2, LENGTH), "int32"),
        "zt": np.full((2, LENGTH), 27),
        "md4keras": md4keras,
        "np": np,
        "mask": np.arange(LENGTH) < np.array([[LENGTH], [3]]),
        "time": np.full(2, 0.5, "float32"),
        "padding_mask": np.arange(LENGTH) < np.array([[LENGTH], [3]]),
    }


def _of_sampling(stack) -> dict:
    network = networks.Transformer(27, LENGTH, **SIZES)
    tokens = np.zeros((2, LENGTH), "int32")
    mask = np.arange(LENGTH) < np.array([[8], [4]])
    model = md4keras.MD4(network)
    model.tokenizer = tokenizers.CharacterTokenizer()
    return {"np": np, "model": model, "tokens": tokens, "mask": mask}


def _of_text(stack) -> dict:
    model = md4keras.MD4(networks.Transformer(27, LENGTH, **SIZES))
    model.tokenizer = tokenizers.CharacterTokenizer()
    tokens = np.random.default_rng(0).integers(0, 27, (4, LENGTH))
    return {"np": np, "model": model, "tokens": tokens}


def _of_presets(stack) -> dict:
    pytest.importorskip("huggingface_hub", reason="pip install huggingface_hub")
    from tests import hub_double

    save_text_model(Path("runs/mine/model"))
    monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
    stack.enter_context(hub_double.used(monkeypatch, Path("cache").absolute()))
    return {}


def _of_export(stack) -> dict:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = md4keras.MD4(networks.Transformer(27, 256, **SIZES))
    model.tokenizer = tokenizers.CharacterTokenizer()
    Path("exported").mkdir()
    return {"np": np, "onnxruntime": onnxruntime, "model": model}


def _of_serving(stack) -> dict:
    pytest.importorskip("tensorflow_serving", reason='pip install "md4keras[serving]"')
    from tests.serving_double import ServingDouble
    from tests.serving_model import save_small_model

    Path("served").mkdir()
    save_small_model(Path("served"))
    double = stack.enter_context(ServingDouble(Path("served")))
    rest = double.rest_address.split("/v1")[0]
    grpc = double.grpc_address.removeprefix("grpc://").split("/")[0]
    return {"shorter": {"http://localhost:8501": rest, "localhost:8500": grpc}}


def save_tiny_model(folder: str) -> None:
    """A model where a command expects one: of text if the place is called so, else of digits."""
    path = Path(folder)
    if (path / "model").is_dir() or (path / "config.json").is_file() or path.name == "runs":
        return
    if {"pydoc", "text", "text8", "notes", "mdlm", "MODEL"} & set(path.parts):
        save_text_model(path, {"recipe": "pydoc", "source": "pydoc"})
    else:
        save_image_model(path, {"recipe": "digits", "source": "digits"}, list("0123456789"))


def save_text(words: list[str]) -> None:
    """A text where the `--data` of a command expects a file or a folder."""
    if "--data" in words:
        path = Path(words[words.index("--data") + 1])
        file = path if path.suffix else path / "text.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a text of some words that is longer than the windows are " * 4)
