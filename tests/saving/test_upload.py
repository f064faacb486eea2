"""A preset goes up to the hub and comes down from it, through the real client."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import md4keras
from md4keras import MD4, load_model, presets, save_model
from md4keras.networks import Transformer
from md4keras.tokenizers import CharacterTokenizer
from tests import hub_double
from tests.reference import ROOT, array

pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    network = Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)
    for variable in network.head.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    model = MD4(network)
    model.tokenizer = CharacterTokenizer("abcde")
    return model, model.save_to_preset(tmp_path_factory.mktemp("saved") / "letters")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with hub_double.used(monkeypatch, tmp_path / "cache") as hub:
        yield hub


def logits(model):
    return array(model.predict_logits(np.full((1, 8), 5), 0.4))


def test_up_and_down_again(saved, hub):
    model, folder = saved
    (folder / "secret.txt").write_text("mine")
    page = md4keras.upload_preset("hf://me/letters", folder)
    assert page == f"{hub.url}/me/letters"
    assert hub.repositories["me/letters"] == {
        name: (folder / name).read_bytes() for name in presets_files(folder)
    }
    again = load_model("hf://me/letters")
    np.testing.assert_array_equal(logits(again), logits(model))
    assert again.tokenizer.decode([0, 4]) == "ae"


def presets_files(folder):
    return {path.name for path in folder.iterdir()} & set(presets.layout.FILES)


def test_what_cannot_be_uploaded_is_an_error_before_anything_is_sent(saved, hub, tmp_path):
    with pytest.raises(ValueError, match="not a saved model"):
        md4keras.upload_preset("hf://me/letters", tmp_path)
    with pytest.raises(ValueError, match="no handle of a hub"):
        md4keras.upload_preset("s3://me/letters", saved[1])
    assert not hub.asked
    hub.url += "/nowhere"
    hub.answer = lambda *arguments: None
    with pytest.raises(ValueError, match="hub does not take this preset.*Log in"):
        md4keras.upload_preset("hf://me/letters", saved[1])


def test_a_card_that_is_a_link_to_a_secret_is_not_published(saved, hub, tmp_path):
    copied = shutil.copytree(saved[1], tmp_path / "copy")
    (tmp_path / "secret").write_text("mine")
    (copied / "README.md").unlink()
    (copied / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="is a link out of its folder.*/secret"):
        md4keras.upload_preset("hf://me/letters", copied)
    assert not hub.asked
    save_model(saved[0], copied)  # keeps the card, and does not copy what it leads to
    assert (copied / "README.md").is_symlink()


PROGRAM = """
import sys, numpy as np, md4keras
from md4keras import backend
model = md4keras.MD4.from_preset("hf://me/letters")
np.save(sys.argv[1], backend.to_numpy(model.predict_logits(np.full((1, 8), 5), 0.4)))
"""
UPLOAD = "import sys, keras_hub; keras_hub.upload_preset('hf://me/letters', sys.argv[1])"


@pytest.mark.slow  # processes of KerasHub and of the other backends
def test_what_keras_hub_uploads_has_the_same_logits_on_the_other_backends(saved, tmp_path):
    pytest.importorskip("keras_hub")
    model, folder = saved
    with hub_double.served() as hub:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_TOKEN": "hf_of_a_test",
            "HF_HUB_DISABLE_XET": "1",
        }
        subprocess.run(
            [sys.executable, "-c", UPLOAD, str(folder)], env=environment, check=True, timeout=300
        )
        stored = hub.repositories["me/letters"]
        assert json.loads(stored["config.json"])["registered_name"] == "md4keras>MD4"
        for name in ("jax", "tensorflow", "torch"):
            out = tmp_path / f"{name}.npy"
            environment["KERAS_BACKEND"] = name
            subprocess.run(
                [sys.executable, "-c", PROGRAM, str(out)], env=environment, check=True, timeout=300
            )
            np.testing.assert_allclose(np.load(out), logits(model), atol=1e-5)
