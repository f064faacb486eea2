"""Tiny saved models, and a page of the app opened on them without a browser."""

import sys
from pathlib import Path

import keras
import pytest
from streamlit.testing.v1 import AppTest

import md4keras
from app import folders
from md4keras.networks import Transformer, UNet
from md4keras.tokenizers import BytePairTokenizer, CharacterTokenizer

HOME = str(Path(__file__).parents[2] / "app" / "Home.py")


SHIPPED = folders.shipped()


@pytest.fixture(autouse=True)
def no_presets(monkeypatch, tmp_path):
    """An empty folder has no model, unless a test asks for the presets that ship."""
    monkeypatch.setattr(folders, "shipped", lambda: tmp_path / "no presets")


@pytest.fixture
def presets(no_presets, monkeypatch):
    """The presets that ship are where they are."""
    monkeypatch.setattr(folders, "shipped", lambda: SHIPPED)


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory):
    """A folder with one model of texts of 32 characters of the text8 alphabet, `text/model`."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("texts")
    network = Transformer(27, 32, num_layers=1, num_heads=2, feature_dim=8)
    model = md4keras.MD4(network)
    model.tokenizer = CharacterTokenizer()
    md4keras.save_model(model, folder / "text" / "model")
    return folder


@pytest.fixture(scope="session")
def piece_folder(tmp_path_factory):
    """A folder with one model of texts of 16 word pieces, `pieces/model`."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("pieces")
    texts = ["the quick brown fox jumps over the lazy dog naïve 日本 "] * 9
    tokenizer = BytePairTokenizer.train(texts, 290)
    network = Transformer(tokenizer.vocabulary_size, 16, num_layers=1, num_heads=2, feature_dim=8)
    model = md4keras.MD4(network)
    model.tokenizer = tokenizer
    md4keras.save_model(model, folder / "pieces" / "model")
    return folder


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """A folder with one model of images of 4 x 4 pixels in 3 classes, `image/model`."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("images")
    network = UNet(17, (4, 4, 1), num_layers=0, feature_dim=64, num_classes=3)
    md4keras.save_model(md4keras.MD4(network), folder / "image" / "model")
    return folder


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    """A folder with one model that says it was trained on the built-in digits, `digits/model`."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("digits")
    network = UNet(17, (8, 8, 1), num_layers=0, feature_dim=64, num_classes=10)
    model = md4keras.MD4(network)
    model.recipe = {"recipe": "digits", "data": None}
    md4keras.save_model(model, folder / "digits" / "model")
    return folder


@pytest.fixture
def open_page(monkeypatch):
    """`open_page(page, folder)`: the app started on a folder and switched to a page of it."""

    def run(page, folder):
        monkeypatch.setattr(sys, "argv", [HOME, str(folder)])
        app = AppTest.from_file(HOME, default_timeout=120)
        app.run()
        app.switch_page(f"views/{page}.py").run()
        assert not app.exception
        return app

    return run
