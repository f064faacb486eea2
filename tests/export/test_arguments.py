"""Arguments that an export refuses before it starts, and words of the command line."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import md4keras
from md4keras import cli, samplers
from md4keras.export import SIGNATURES, Limits, export_denoiser, export_saved_model
from md4keras.export.signatures import Signatures
from md4keras.tokenizers import CharacterTokenizer
from tests.export.conftest import image_model, text_model

pytestmark = pytest.mark.one_backend

OF_BLOCKS = "next_block", "block_logits"


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"sampler": "event"}, "plans its reveals on the host"),
        ({"sampler": "unknown"}, "Unknown sampler"),
        ({"sampler": samplers.Ancestral(filters=(abs,))}, "samplers and filters alone"),
        ({"limits": {"num_steps": 3}}, "`limits` must be"),
        ({"signatures": ("generate", "dream")}, "cannot be exported"),
        ({"signatures": ()}, "cannot be exported"),
        ({"signatures": ("score", "score")}, "each once"),
        ({"version": 0}, "`version`.*a whole number, from 1 to"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        export_saved_model(text_model(), tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["num_samples", "num_steps", "length", "num_draws"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", 2**24])
def test_limits_are_whole_numbers(name, value):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


def test_only_models_of_md4keras(tmp_path):
    with pytest.raises(ValueError, match="Only models of md4keras"):
        export_saved_model(object(), tmp_path / "out")
    with pytest.raises(ValueError, match="not a saved model"):
        export_saved_model(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"md4keras\[tensorflow,serving\]"):
        export_saved_model(text_model(), tmp_path / "out")


@pytest.mark.slow
def test_what_the_child_refuses_arrives_in_words(tmp_path, capfd):
    """A signature that the model lacks is known only where the model is loaded."""
    md4keras.save_model(image_model(), tmp_path / "model")
    command = ["export", str(tmp_path / "model"), str(tmp_path / "out"), "--signatures"]
    assert cli.main([*command, "generate_text"]) == 2
    printed = capfd.readouterr()
    assert "Loading the model under TensorFlow" in printed.out
    assert "error: The model does not have these signatures: ['generate_text']" in printed.err
    assert not (tmp_path / "out").exists()


def test_other_tokenizers_have_no_signatures_of_text():
    """What their subclasses do to a text is not known in the graph."""

    class Shouting(CharacterTokenizer):
        def encode(self, text):
            return super().encode(text.lower())

    model = text_model()
    tokenizers = model.tokenizer, Shouting("cab_é "), None
    found = []
    for model.tokenizer in tokenizers:
        found.append(tuple(Signatures(model, samplers.Ancestral(), Limits()).all()))
    all_of_it = tuple(name for name in SIGNATURES if name not in OF_BLOCKS)
    others = tuple(name for name in all_of_it if not name.endswith("_text"))
    assert found == [all_of_it, others, others]


def test_models_that_draw_in_blocks_have_no_signature_of_a_step():
    network = md4keras.networks.DiT(4, 8, num_layers=0, num_heads=2, hidden_dim=8)
    model = md4keras.BlockDiffusion(network, block_size=4)
    model.tokenizer = CharacterTokenizer("abcd")
    signatures = Signatures(model, samplers.Ancestral(), Limits())
    assert {*signatures.all()} == {*SIGNATURES} - {"denoise_step"}
    assert signatures.note().startswith("Without denoise_step:")


@keras.saving.register_keras_serializable(package="tests")
class Letters:
    """A user's own tokenizer: none of the library's, and of no base class."""

    def __init__(self, letters):
        self.letters, self.vocabulary_size = letters, len(letters)

    def encode(self, text):
        return np.array([self.letters.index(letter) for letter in text], "int32")

    def decode(self, ids):
        return "".join(self.letters[i] for i in ids)

    def get_config(self):
        return {"letters": self.letters}


@pytest.mark.slow
def test_a_model_with_a_tokenizer_of_the_users_class_is_exported(tmp_path, capfd, ask, monkeypatch):
    """With the signatures of tokens: the process that builds the graph does not know the class."""
    model = text_model()
    model.tokenizer = Letters("cab_é ")
    version = export_saved_model(model, tmp_path / "served")
    assert "Without signatures of text" in capfd.readouterr().out
    manifest = json.loads((version / "assets.extra" / "manifest.json").read_text())
    assert list(manifest["signatures"]) == [
        n for n in SIGNATURES if n not in OF_BLOCKS and not n.endswith("_text")
    ]
    assert manifest["note"].startswith("Without signatures of text")
    (answer,) = ask(version, [("serving_default", {"tokens": [[0, 6, 2]], "time": [0.5]})])
    logits = model.predict_logits(np.array([[0, 6, 2]]), 0.5)
    np.testing.assert_allclose(answer["logits"], keras.ops.convert_to_numpy(logits), atol=1e-5)
    saved = md4keras.save_model(model, tmp_path / "model")
    with pytest.raises(ValueError, match="does not have these.*characters, bytes and word pieces"):
        export_saved_model(saved, tmp_path / "other", signatures=["score_text"], verbose=False)
    # Nor need the process that orders it: the command line imports nobody's classes.
    monkeypatch.delitem(keras.saving.get_custom_objects(), "tests>Letters")
    assert export_denoiser(saved, tmp_path / "text.tflite", verbose=False).stat().st_size > 0


def test_what_lies_in_the_working_folder_is_not_run(tmp_path, monkeypatch, capfd):
    md4keras.save_model(image_model(), tmp_path / "model")
    (tmp_path / "random.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "model", "out", "--signatures", "score_text"]) == 2
    assert "does not have these signatures" in capfd.readouterr().err


def test_the_command_line_exports_and_counts_versions(tmp_path, capfd):
    md4keras.save_model(image_model(), tmp_path / "model")
    out = tmp_path / "served" / "images"
    command = ["export", str(tmp_path / "model"), str(out), "--signatures", "serving_default"]
    assert cli.main(command) == 0
    assert "Tracing serving_default (1 of 1)" in capfd.readouterr().out
    assert cli.main([*command, "--quiet"]) == 0
    assert capfd.readouterr().out == ""
    assert sorted(path.name for path in out.iterdir()) == ["1", "2"]
    assert cli.main([*command, "--version", "2"]) == 2
    assert "The version exists" in capfd.readouterr().err


@pytest.mark.slow
def test_a_killed_command_leaves_nothing(tmp_path):
    md4keras.save_model(image_model(), tmp_path / "model")
    command = [sys.executable, "-c", "from md4keras.cli import main; main()", "export"]
    command += [str(tmp_path / "model"), str(tmp_path / "out"), "--signatures", "serving_default"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert b"Loading" in process.stdout.readline()
    process.terminate()
    assert process.wait() == 143
    process.stdout.read()  # which the child holds too: it is gone
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
