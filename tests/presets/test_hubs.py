"""Presets from hubs, through the hubs' own libraries: only a model's files, and no large ones."""

import hashlib
import json

import huggingface_hub
import numpy as np
import pytest

import md4keras
from md4keras import MD4, presets
from tests import hub_double
from tests.reference import array

pytestmark = pytest.mark.one_backend


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    with hub_double.used(monkeypatch, tmp_path / "cache") as hub:
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        hub.repositories["me/model"] = files | {"train.py": b"print()", "../../evil": b"x"}
        yield hub


def test_a_handle_is_downloaded_once_and_only_the_model_s_files(hub, folder):
    found = presets.find("hf://me/model")
    assert {path.name for path in found.iterdir()} == {path.name for path in folder.iterdir()}
    assert not any("train.py" in line or "evil" in line for line in hub.asked)
    hub.asked.clear()
    assert presets.find("hf://me/model") == found
    assert not any("resolve" in line for line in hub.asked)


def test_the_model_is_that_of_the_folder(hub, folder):
    ours, theirs = md4keras.load_model(folder), MD4.from_preset("hf://me/model@main")
    zt = np.full((1, 8), 5)
    for network in (ours, theirs):
        network.network.head.trainable_variables[0].assign(np.ones((8, 5)))
    logits = [array(model.predict_logits(zt, 0.5)) for model in (ours, theirs)]
    np.testing.assert_array_equal(*logits)


def test_without_a_network_it_comes_from_the_cache(hub, monkeypatch):
    found = presets.find("hf://me/model")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert presets.find("hf://me/model") == found
    with pytest.raises(ValueError, match=r"hub does not give this preset.*Check the name and"):
        presets.find("hf://me/another")


def test_a_repository_that_is_not_there_is_named(hub):
    with pytest.raises(ValueError, match="hub does not give this preset.*'hf://me/nothing'"):
        presets.find("hf://me/nothing")


@pytest.mark.parametrize("missing", ["metadata.json", "model.weights.h5", "config.json"])
def test_a_repository_of_something_else_is_refused_before_it_is_downloaded(hub, missing):
    del hub.repositories["me/model"][missing]
    with pytest.raises(ValueError, match=f"lacks \\['{missing}'\\].*md4keras convert"):
        presets.find("hf://me/model")
    assert not any("resolve" in line for line in hub.asked)


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_a_giant_file_is_refused_before_it_is_downloaded(hub, name):
    hub.sizes[name] = 2**40
    with pytest.raises(ValueError, match=f"'{name}' is too large.*1,099,511,627,776"):
        presets.find("hf://me/model")
    assert not any("resolve" in line for line in hub.asked)


def resigned(files, name, content):
    """The files with another of that name, whose checksum fits."""
    metadata = json.loads(files["metadata.json"])
    metadata["sha256"][name] = hashlib.sha256(content).hexdigest()
    return files | {name: content, "metadata.json": json.dumps(metadata).encode()}


def test_hostile_repositories_are_refused_by_name(hub):
    files = hub.repositories["me/model"]
    config = json.loads(files["config.json"])
    foreign = json.loads(files["config.json"])
    foreign["config"]["schedule"] = {
        "module": "os",
        "class_name": "system",
        "config": {},
        "registered_name": None,
    }
    config["config"]["network"]["config"]["num_layers"] = 10**6
    outside = json.loads(files["metadata.json"])
    outside["sha256"]["../../etc/passwd"] = "0" * 64
    cases = {
        "tampered": (files | {"config.json": files["config.json"] + b" "}, "not the file that was"),
        "foreign": (resigned(files, "config.json", json.dumps(foreign).encode()), "os"),
        "asking": (resigned(files, "config.json", json.dumps(config).encode()), "asks for"),
        "outside": (files | {"metadata.json": json.dumps(outside).encode()}, "list its files"),
    }
    for name, (changed, told) in cases.items():
        hub.repositories[f"me/{name}"] = changed
        with pytest.raises(ValueError, match=told):
            md4keras.load_model(f"hf://me/{name}")
