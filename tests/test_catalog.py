"""The catalogue of models: what each says of itself, and why one cannot be loaded."""

import dataclasses
import json

import pytest

from md4keras import MD4, GenMD4, catalog, load_model, save_model
from md4keras.networks import Transformer, UNet
from md4keras.tokenizers import CharacterTokenizer
from tests.saved_folders import resigned

pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    text = GenMD4(Transformer(27, 12, num_layers=1, num_heads=2, feature_dim=8))
    text.tokenizer = CharacterTokenizer()
    save_model(text, root / "text" / "model")
    image = MD4(UNet(5, (4, 3, 1), num_layers=0, feature_dim=64, num_classes=2, label_dropout=0.1))
    image.recipe = {
        "class_names": ["cat", "dog"],
        "validation": {"bits_per_dim": 1.5},
        "history": [{"step": 10, "val_bits_per_dim": 1.6}, "not a row"],
    }
    save_model(image, root / "a" / "b" / "image")
    return root


def test_models_describe_themselves(folder):
    image, text = catalog.model_folders(folder)
    assert (image.name, text.name) == ("a/b/image", "text/model")
    assert (text.kind, text.network, text.has_tokenizer) == ("GenMD4", "Transformer", True)
    assert text.data_shape == (12,) and not text.is_image and text.class_names == ()
    assert text.bits_per_dim is None and text.history == []
    assert (image.kind, image.network, image.is_image) == ("MD4", "UNet", True)
    assert image.data_shape == (4, 3, 1) and image.class_names == ("cat", "dog")
    assert image.bits_per_dim == 1.5 and [row["step"] for row in image.history] == [10]
    for each in (image, text):
        model = load_model(each.folder)
        assert each.problem is None
        assert each.parameters == model.network.count_params()
        assert each.data_shape == tuple(model.network.data_shape)
        assert each.vocabulary_size == model.network.vocabulary_size
        assert each.label_dropout == model.network.label_dropout


def test_models_have_readable_titles(folder):
    models = catalog.model_folders(folder)
    image, text = models
    assert image.title.startswith("Image: U-Net, ") and image.title.endswith(" M, 1.50 bits")
    assert text.title.startswith("Text: GenMD4 Transformer, ")
    assert list(catalog.labels(models).values()) == ["Image, 1.50 bits", "Text"]
    told = dataclasses.replace(image, recipe={"recipe": "digits"}, parameters=12_345_678)
    assert told.title == "Digits: U-Net, 12.3 M"
    pieces = {"validation": {"bits_per_dim": 5.0}, "read": {"characters_per_token": 2.0}}
    assert dataclasses.replace(text, recipe=pieces).label == "Text, 2.50 bits a character"
    for broken in ("2", 0, -1.0, float("nan"), None):
        pieces["read"] = {"characters_per_token": broken}
        assert dataclasses.replace(text, recipe=pieces).label == "Text, 5.00 bits"
    twins = [told, dataclasses.replace(told, name="second/model")]
    places = ("a/b/image", "second")
    assert list(catalog.titles(twins).values()) == [f"{told.title} ({p})" for p in places]
    assert list(catalog.labels(twins).values()) == ["Digits (a/b/image)", "Digits (second)"]


def test_the_folder_may_be_a_model_and_need_not_exist(folder):
    (only,) = catalog.model_folders(folder / "text" / "model")
    assert only.name == "model" and only.problem is None
    assert catalog.model_folders(folder / "absent") == []


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("config.json", "{}", "is missing or not the file that was saved"),
        ("metadata.json", "[]", "does not list its files"),
        ("metadata.json", "{", "cannot be read"),
    ],
)
def test_a_damaged_model_is_listed_with_the_reason(tmp_path, name, content, reason):
    model = MD4(Transformer(5, 8, num_layers=1, num_heads=1, feature_dim=8))
    save_model(model, tmp_path / "model")
    (tmp_path / "model" / name).write_text(content)
    (damaged,) = catalog.model_folders(tmp_path)
    assert reason in damaged.problem


def test_a_class_from_elsewhere_is_the_reason(tmp_path):
    """Checksums that fit do not help: nothing that the folder names is imported."""
    model = MD4(Transformer(5, 8, num_layers=1, num_heads=1, feature_dim=8))
    folder = save_model(model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["network"] |= {"module": "os", "registered_name": "system"}
    (folder / "config.json").write_text(json.dumps(config))
    resigned(folder)
    (found,) = catalog.model_folders(tmp_path)
    assert "a class that is not known here" in found.problem


@pytest.mark.parametrize("change", [{"sequence_length": 2**28}, {"vocabulary_size": 10**9}])
def test_a_model_that_asks_for_too_much_is_listed_as_load_model_finds_it(tmp_path, change):
    model = MD4(Transformer(5, 8, num_layers=1, num_heads=1, feature_dim=8))
    folder = save_model(model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["network"]["config"] |= change
    (folder / "config.json").write_text(json.dumps(config))
    resigned(folder)
    (found,) = catalog.model_folders(tmp_path)
    with pytest.raises(ValueError) as caught:
        load_model(folder)
    assert found.problem == str(caught.value) and "make no model" in found.problem
