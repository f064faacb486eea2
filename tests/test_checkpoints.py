"""Saved models: the same on every backend, whole or not at all, and never code."""

import json
import os
import shutil

import keras
import numpy as np
import pytest

from md4keras import MD4, checkpoints, load_model, save_model, tokenizers
from md4keras.networks import Transformer, UNet, UViT
from md4keras.tokenizers import CharacterTokenizer
from tests.reference import array
from tests.saved_folders import resigned


def untrained():
    return MD4(Transformer(5, 8, num_layers=1, num_heads=1, feature_dim=8))


@pytest.fixture(scope="module")
def trained():
    """A model with an optimizer and weights that an initializer would not give; left as it is."""
    network = Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)
    model = MD4(network, schedule="poly0.7", timesteps=9)
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True))
    model.fit(np.zeros((32, 8), "int32"), verbose=0)
    return model


def test_a_model_comes_back_with_weights_tokenizer_and_recipe(trained, tmp_path, monkeypatch):
    model = trained
    monkeypatch.setattr(model, "tokenizer", CharacterTokenizer("abcde"))
    recipe = {"recipe": "test", "history": [{"step": 1, "loss": 0.5}]}
    monkeypatch.setattr(model, "recipe", recipe)
    again = load_model(save_model(model, tmp_path / "model"))
    assert again.get_config() == model.get_config()
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(again.generate(2, num_steps=3), model.generate(2, num_steps=3))
    assert again.tokenizer.decode([0, 4]) == "ae"
    assert again.recipe == model.recipe


@pytest.mark.parametrize(
    "make",
    [
        lambda **kw: UNet(4, (4, 6, 2), 0, 64, **kw),
        lambda **kw: UViT(4, (4, 6, 2), 0, 32, 1, 2, 8, **kw),
    ],
    ids=["unet", "uvit"],
)
def test_images_with_classes(tmp_path, make):
    network = make(num_classes=3, label_dropout=0.1)
    for variable in network.head.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    model = MD4(network)
    again = load_model(save_model(model, tmp_path / "model"))
    zt, labels = np.full((2, 4, 6, 2), 4, "int32"), np.array([0, 2], "int32")
    np.testing.assert_array_equal(
        array(model.predict_logits(zt, 0.3, labels)), array(again.predict_logits(zt, 0.3, labels))
    )


def test_the_weights_file_holds_no_optimizer_and_says_its_versions(trained, tmp_path):
    folder = save_model(trained, tmp_path / "model")
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["keras_version"] == keras.version()
    assert set(metadata["sha256"]) == {"config.json", "model.weights.h5"}
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "model.weights.h5") as file:
        assert "optimizer" not in file


def test_saving_again_replaces_the_model_and_leaves_nothing_beside(trained, tmp_path):
    folder = tmp_path / "model"
    save_model(trained, folder)
    other = MD4(Transformer(3, 4, num_layers=1, num_heads=1, feature_dim=8))
    save_model(other, folder)
    assert load_model(folder).network.vocabulary_size == 3
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("failing", ["save_weights", "replace"])
def test_a_crash_leaves_the_old_model(trained, tmp_path, monkeypatch, failing):
    model, folder = trained, tmp_path / "model"
    save_model(model, folder)

    def crash(*args, **kwargs):
        raise OSError("disk full")

    if failing == "save_weights":
        monkeypatch.setattr(MD4, "save_weights", crash)
    else:
        monkeypatch.setattr(checkpoints.os, "replace", crash)
    with pytest.raises(OSError, match="disk full"):
        save_model(model, folder)
    monkeypatch.undo()
    load_model(folder)
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
@pytest.mark.parametrize("damage", ["cut", "removed"])
def test_a_damaged_folder_does_not_load(trained, tmp_path, name, damage):
    folder = save_model(trained, tmp_path / "model")
    if damage == "cut":
        (folder / name).write_bytes((folder / name).read_bytes()[:-7])
    else:
        (folder / name).unlink()
    with pytest.raises(ValueError, match="damaged|not a saved model"):
        load_model(folder)


@pytest.mark.parametrize(
    "hostile",
    [
        {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
        {
            "module": "builtins",
            "class_name": "function",
            "config": "print",
            "registered_name": "function",
        },
    ],
)
def test_a_folder_cannot_name_other_code(trained, tmp_path, hostile):
    folder = save_model(trained, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["schedule"] = hostile
    (folder / "config.json").write_text(json.dumps(config))
    resigned(folder)
    with pytest.raises(ValueError, match="names a class that is not known"):
        load_model(folder)


def test_a_lambda_in_a_folder_is_refused(trained, tmp_path):
    folder = save_model(trained, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    layer = keras.layers.Lambda(lambda x: x)
    config["config"]["schedule"] = keras.saving.serialize_keras_object(layer)
    (folder / "config.json").write_text(json.dumps(config))
    resigned(folder)
    with pytest.raises((ValueError, TypeError), match="(?i)lambda"):
        load_model(folder)


def test_other_folders_are_not_loaded_or_overwritten(trained, tmp_path):
    with pytest.raises(ValueError, match="not a saved model"):
        load_model(tmp_path)
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="something that is not a saved model"):
        save_model(trained, tmp_path)
    assert (tmp_path / "thesis.tex").exists()
    with pytest.raises(ValueError, match="leads through a file"):
        checkpoints.check_output_folder(tmp_path / "thesis.tex")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="No permission"):
            checkpoints.check_output_folder(tmp_path / "model")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("denied", ["", "model"], ids=["parent", "folder"])
def test_a_folder_in_a_place_without_permission_is_refused(tmp_path, monkeypatch, denied):
    folder = save_model(untrained(), tmp_path / "model")
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / denied)
    with pytest.raises(PermissionError, match="No permission to write to"):
        checkpoints.check_output_folder(folder)


def test_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="leads through a file"):
        save_model(untrained(), tmp_path / "file" / "model")


@pytest.mark.parametrize("folder", [".", "..", "../.."])
def test_the_working_directory_is_not_replaced(tmp_path, monkeypatch, folder):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    with pytest.raises(ValueError, match="The working directory cannot be replaced"):
        save_model(untrained(), folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b"]


def test_a_link_to_a_folder_stays_a_link(trained, tmp_path):
    save_model(untrained(), tmp_path / "first")
    (tmp_path / "latest").symlink_to("first")
    save_model(trained, tmp_path / "latest")
    assert (tmp_path / "latest").readlink().name == "first"
    assert load_model(tmp_path / "first").timesteps == 9


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="model of type Sequential"):
        save_model(keras.Sequential(), tmp_path / "model")
    model = untrained()
    model.recipe = {"steps": 3, "path": tmp_path}
    with pytest.raises(ValueError, match=r"recipe\['path'\]"):
        save_model(model, tmp_path / "model")
    model.recipe, model.tokenizer = None, CharacterTokenizer("ab")
    with pytest.raises(ValueError, match=r"has, 5\. Received: tokenizer\.vocabulary_size=2"):
        save_model(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@keras.saving.register_keras_serializable(package="tests")
class Vowels(CharacterTokenizer):
    """A registered class that is none of the library's."""

    def __init__(self, alphabet="aeiou"):
        super().__init__(alphabet)


def test_a_tokenizer_of_any_registered_class_is_saved_with_its_model(tmp_path, monkeypatch):
    model = untrained()
    model.tokenizer = Vowels("uoiea")
    folder = save_model(model, tmp_path / "model")
    again = load_model(folder)
    assert type(again.tokenizer) is Vowels and again.tokenizer.decode([0, 4]) == "ua"
    monkeypatch.delitem(keras.saving.get_custom_objects(), "tests>Vowels")
    with pytest.raises(ValueError, match="Unknown tokenizer.*tests>Vowels.*registers"):
        load_model(folder)


def test_a_tokenizer_that_could_not_be_loaded_is_refused_before_anything_is_written(tmp_path):
    class Mine(CharacterTokenizer):
        pass

    model = untrained()
    model.tokenizer = Mine("abcde")
    with pytest.raises(ValueError, match="register_keras_serializable"):
        save_model(model, tmp_path / "model")
    model.tokenizer = object()
    with pytest.raises(ValueError, match=r"lacks \['encode', 'decode', .*'get_config'\]"):
        save_model(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_of_another_model_does_not_load(tmp_path):
    model = untrained()
    model.tokenizer = CharacterTokenizer("abcde")
    folder = save_model(model, tmp_path / "model")
    other = tokenizers.serialize(CharacterTokenizer("ab"))
    (folder / "tokenizer.json").write_text(json.dumps(other))
    resigned(folder)
    with pytest.raises(ValueError, match=r"tokenizer\.vocabulary_size=2"):
        load_model(folder)


def test_a_folder_with_another_kind_of_model_is_refused(tmp_path):
    folder = save_model(untrained(), tmp_path / "model")
    for other in (keras.layers.Dense(3), untrained().network, untrained().schedule):
        config = keras.saving.serialize_keras_object(other)
        (folder / "config.json").write_text(json.dumps(config))
        resigned(folder)
        with pytest.raises(ValueError, match="no model of md4keras"):
            load_model(folder)


def test_a_folder_moves_to_another_place(trained, tmp_path):
    folder = save_model(trained, tmp_path / "model")
    shutil.copytree(folder, tmp_path / "deeper" / "copy")
    load_model(tmp_path / "deeper" / "copy")
