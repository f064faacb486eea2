"""Models are found by a path, the name of a preset that ships, or a handle, in this order."""

import shutil
import sys

import pytest

import md4keras
from md4keras import checkpoints, presets, tokenizers
from md4keras.networks import Transformer
from md4keras.presets import finding

pytestmark = pytest.mark.one_backend


@pytest.fixture
def shipped(folder, tmp_path, monkeypatch):
    """A stand-in of the folder of shipped presets, with one of the name `vowels`."""
    monkeypatch.setattr(finding, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped" / "no model").mkdir(parents=True)
    shutil.copytree(folder, tmp_path / "shipped" / "vowels")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shipped" / "vowels"


def test_a_shipped_preset_is_found_by_its_name(shipped):
    assert presets.shipped() == {"vowels": shipped}
    assert presets.find("vowels") == shipped
    assert md4keras.load_model("vowels").network.vocabulary_size == 5
    assert Transformer.from_preset("vowels").vocabulary_size == 5
    assert tokenizers.load("vowels").decode([0, 4]) == "ae"


def test_a_model_of_the_user_s_comes_before_a_shipped_one(shipped, folder, tmp_path):
    (tmp_path / "vowels").mkdir()  # data of that name hide no preset
    assert presets.find("vowels") == shipped
    shutil.copytree(folder, tmp_path / "vowels" / "model")
    assert presets.find("vowels").samefile(tmp_path / "vowels" / "model")


def test_a_path_is_the_folder_or_its_run(folder):
    assert presets.find(folder) == folder
    assert presets.find(folder.parent) == folder
    assert md4keras.load_model(str(folder.parent)).network.vocabulary_size == 5


@pytest.mark.parametrize("name", ["vowel", "runs/none", "", "."])
def test_what_is_nowhere_is_an_error_that_names_what_ships(shipped, name):
    with pytest.raises(ValueError, match="not a saved model"):
        md4keras.load_model(name)
    if name not in ("", "."):
        with pytest.raises(ValueError, match=r"\(vowels\), or a handle"):
            presets.find(name)


@pytest.mark.parametrize("link", ["hf://../../etc", "gs://bucket/x", "hf://me", "kaggle://a/b/c"])
def test_other_handles_are_refused_before_anything_is_asked(link):
    with pytest.raises(ValueError, match="no handle of a hub"):
        presets.find(link)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        presets.find("hf://me/digits")


def test_commands_take_the_name_of_a_preset(shipped, capsys):
    from md4keras import cli

    assert cli.main(["generate", "vowels", "--num-samples", "1", "--num-steps", "2"]) == 0
    assert set(capsys.readouterr().out.strip()) <= set("abcde")
    assert checkpoints.is_saved_model(shipped)
