"""`hf://`: what is asked of the hub, which is on this machine; then its cache alone."""

import numpy as np
import pytest

from md4keras import conversion
from md4keras.conversion import hub
from tests.conversion.hub_double import published, save_sharded, save_whole
from tests.web_double import served

pytestmark = pytest.mark.one_backend
huggingface_hub = pytest.importorskip("huggingface_hub")
pytest.importorskip("safetensors")


@pytest.fixture
def web(monkeypatch, tmp_path):
    from huggingface_hub import constants

    with served() as web:
        monkeypatch.setattr(constants, "ENDPOINT", web.url)
        template = web.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield web


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fetched(web):
    """The names of the files that were asked for."""
    return {path.rsplit("/", 1)[1] for path, _ in web.asked if "/resolve/" in path}


def add(web, tmp_path, save, more=()):
    config, arrays = published("mdlm_untimed")
    save(tmp_path / "files", config, arrays)
    files = files_of(tmp_path / "files")
    web.add_model("owner/tiny", {**files, **dict.fromkeys(more, b"x")})
    return files


def test_only_what_is_needed_is_fetched(web, tmp_path):
    more = ("README.md", "modeling_mdlm.py", "flax_model.msgpack", "pytorch_model.bin")
    files = add(web, tmp_path, save_sharded, more)
    model = conversion.load("hf://owner/tiny")
    assert fetched(web) == files.keys()
    local = conversion.load(tmp_path / "files")
    for ours, theirs in zip(model.network.weights, local.network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert model.recipe["recipe"] == "MDLM tiny"
    assert model.recipe["converted"]["source"] == "hf://owner/tiny"
    assert local.recipe["converted"]["source"] == "files"


def test_the_cache_serves_without_a_network(web, tmp_path, monkeypatch):
    from huggingface_hub import constants

    add(web, tmp_path, save_whole)
    conversion.load("hf://owner/tiny")
    asked = len(web.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    conversion.load("hf://owner/tiny")
    assert len(web.asked) == asked
    with pytest.raises(ValueError, match="could not be fetched.*Check its name, or download it"):
        conversion.load("hf://owner/other")


def test_another_architecture_is_refused_before_its_weights_are_fetched(web):
    content = b'{"architectures": ["BertForMaskedLM"], "model_type": "bert"}'
    web.add_model("owner/bert", {"config.json": content, "model.safetensors": b"x" * 1000})
    with pytest.raises(ValueError, match=r"Received: architectures=\['BertForMaskedLM'\]"):
        conversion.load("hf://owner/bert")
    assert fetched(web) == {"config.json"}


def test_the_weights_are_of_the_same_revision_as_the_configuration(web, tmp_path, monkeypatch):
    """Also where a new one appears in between."""
    add(web, tmp_path, save_whole)
    fetch = hub.fetch_weights

    def after_a_push(handle, folder):
        web.add_model("owner/tiny", {"config.json": b"{}", "model.safetensors": b"?"}, "b" * 40)
        return fetch(handle, folder)

    monkeypatch.setattr(hub, "fetch_weights", after_a_push)
    assert conversion.load("hf://owner/tiny").network.vocabulary_size == 28


@pytest.mark.parametrize(
    "handle", ["hf://", "hf://tiny", "hf://a/b/c", "hf://../x", "hf://a/b@", "hf://a/b?x\x1b[2J"]
)
def test_what_is_no_handle(handle, web):
    with pytest.raises(ValueError, match="This is no handle of a hub"):
        conversion.load(handle)


def test_a_repository_that_is_not_there(web):
    with pytest.raises(ValueError, match="could not be fetched from the Hugging Face hub"):
        conversion.load("hf://owner/none")


def test_a_configuration_that_fills_the_disk_is_not_fetched(web, tmp_path):
    web.add_model("owner/large", {"config.json": b" " * (2**25 + 1)})
    with pytest.raises(ValueError, match="'config.json' is too large.*33,554,433"):
        conversion.load("hf://owner/large")
    assert not any(path.stat().st_size > 10**5 for path in (tmp_path / "cache").rglob("*"))


def test_what_to_install_is_told(web, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="fetches checkpoints.*pip install huggingface_hub"):
        conversion.load("hf://owner/tiny")
