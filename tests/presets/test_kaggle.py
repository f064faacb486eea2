"""Presets from Kaggle and to it, through its own library, whose server is on this machine."""

import io
import logging
import shutil
import sys

import pytest

import md4keras
from md4keras import presets
from md4keras.files import sha256
from md4keras.presets.layout import FILES
from tests.presets import kaggle_double

pytestmark = pytest.mark.one_backend
kagglehub = pytest.importorskip("kagglehub")


@pytest.fixture
def kaggle(folder, tmp_path, monkeypatch):
    with kaggle_double.used(monkeypatch, tmp_path) as kaggle:
        kaggle.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        yield kaggle


def test_a_handle_is_downloaded_once_and_only_the_model_s_files(kaggle, folder):
    kaggle.files["train.py"] = b"print()"
    found = presets.find("kaggle://me/digits/keras/small")
    names = {path.name for path in found.iterdir() if path.is_file()}
    assert names == {path.name for path in folder.iterdir()}
    assert sha256(found / "model.weights.h5") == sha256(folder / "model.weights.h5")
    assert kaggle.asked == ["metadata.json", *(name for name in FILES if name != "metadata.json")]
    assert md4keras.load_model("kaggle://me/digits/keras/small").network.vocabulary_size == 5
    assert kaggle.asked.count("model.weights.h5") == 1


def test_nothing_is_said_where_commands_write_their_results(kaggle, monkeypatch):
    handlers = logging.getLogger("kagglehub").handlers
    handler = next(each for each in handlers if type(each) is logging.StreamHandler)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    handler.setStream(sys.stdout)  # as where the library is imported
    presets.find("kaggle://me/digits/keras/small")
    assert sys.stdout.getvalue() == "" and handler.stream is sys.stderr


def test_of_a_version_the_cache_serves_without_a_network(kaggle):
    found = presets.find("kaggle://me/digits/keras/small/3")
    kaggle.close()
    assert presets.find("kaggle://me/digits/keras/small/3") == found
    with pytest.raises(ValueError, match="hub does not give this preset.*Check the name and"):
        presets.find("kaggle://me/digits/keras/small")


def test_a_model_of_something_else_is_refused(kaggle):
    del kaggle.files["metadata.json"]
    with pytest.raises(ValueError, match="hub does not give this preset.*kaggle://me/digits"):
        presets.find("kaggle://me/digits/keras/small")
    assert kaggle.asked == ["metadata.json"]


def test_a_giant_file_is_refused(kaggle):
    kaggle.files["config.json"] = b" " * (2**20 + 1)
    with pytest.raises(ValueError, match="'config.json' is too large.*1,048,577"):
        presets.find("kaggle://me/digits/keras/small")
    assert "model.weights.h5" not in kaggle.asked


def test_an_upload_takes_the_model_s_files_alone(folder, tmp_path, monkeypatch):
    """Whatever the other files are called: what is told to be left out are patterns."""
    copied = shutil.copytree(folder, tmp_path / "copy")
    (copied / "runs" / "deep").mkdir(parents=True)
    for name in ("secret.txt", "[s]ecret.txt", "runs/a.txt", "runs/deep/model.weights.h5"):
        (copied / name).write_text("mine")
    sent = []
    monkeypatch.setattr("kagglehub.models.create_model_if_missing", lambda *names: None)
    made = "kagglehub.models.create_model_instance_or_version"
    monkeypatch.setattr(made, lambda handle, files, license, notes, sigstore: None)
    monkeypatch.setattr(
        "kagglehub.gcs_upload._upload_file",
        lambda file_path, quiet, item_type: sent.append(str(file_path)),
    )
    page = md4keras.upload_preset("kaggle://me/digits/keras/small", copied)
    assert page == "https://www.kaggle.com/models/me/digits/keras/small"
    assert sorted(sent) == sorted(str(copied / path.name) for path in folder.iterdir())


def test_what_to_install_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(ImportError, match="kagglehub reads kaggle:// .*pip install kagglehub"):
        presets.find("kaggle://me/digits/keras/small")
