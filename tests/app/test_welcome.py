"""The first page: what this is, three ways to start, and nothing heavy before it is needed."""

import subprocess
import sys
import textwrap

import pytest
from streamlit.testing.v1 import AppTest

import md4keras
from app import demo, folders
from md4keras import catalog
from tests.app.conftest import HOME

pytestmark = pytest.mark.one_backend


@pytest.fixture
def open_home(monkeypatch):
    def run(folder):
        monkeypatch.setattr(sys, "argv", [HOME, str(folder)])
        home = AppTest.from_file(HOME, default_timeout=120).run()
        assert not home.exception
        return home

    return run


def test_says_what_it_is_and_leads_on(open_home, text_folder):
    home = open_home(text_folder)
    assert home.title[0].value == "md4keras" and len(home.get("image")) == 1
    assert [way.label for way in home.button] == ["Generate", "Infill text", "Models"]
    for number, way in enumerate(("Generate", "Infill text", "Models")):
        page = open_home(text_folder)
        page.button[number].click().run()
        assert not page.exception and page.title[0].value == way


def test_offers_what_the_models_can_do(open_home, digits_folder, tmp_path):
    home = open_home(digits_folder)  # no model of text
    assert [way.label for way in home.button] == ["Generate", "Models"]
    captions = [caption.value for caption in home.caption]
    assert "Needs a model of text: train one first." in captions
    assert "Needs a model: train one first." not in captions
    captions = [caption.value for caption in open_home(tmp_path).caption]
    assert "Needs a model: train one first." in captions


def test_the_presets_are_there_where_the_folder_is_empty(open_home, presets, tmp_path):
    home = open_home(tmp_path)
    labels = [way.label for way in home.button]
    assert labels == ["Generate", "Infill text", "Models", "Train the demo models"]
    assert any("these are the presets" in caption.value for caption in home.caption)


def test_they_lie_where_the_library_has_them(presets):
    assert folders.shipped() == md4keras.presets.SHIPPED


def test_the_same_folders_are_models_as_for_the_library(digits_folder, text_folder):
    """The first page looks for itself, as it comes before the library."""
    for folder in (digits_folder, text_folder, text_folder / "text"):
        assert list(folders.saved_models(folder)) == list(catalog.saved_models(folder))


def test_without_a_model_training_is_the_way_to_start(open_home, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(demo.background.DemoTraining, "start", lambda self: started.append(self))
    home = open_home(tmp_path)
    (button,) = home.button
    assert button.label == "Train the demo models"
    button.click().run()
    assert started[0].output == (tmp_path / "demo").resolve()


def test_it_comes_before_keras():
    """The first page is shown in the memory of Streamlit; the library follows with another page."""
    code = """
        import sys
        from streamlit.testing.v1 import AppTest

        home = AppTest.from_file(sys.argv[1], default_timeout=120).run()
        assert home.title[0].value == "md4keras" and not home.exception, home.exception
        heavy = {"keras", "jax", "tensorflow", "torch", "md4keras"} & set(sys.modules)
        assert not heavy, heavy
    """
    command = [sys.executable, "-c", textwrap.dedent(code), HOME]
    subprocess.run(command, check=True, timeout=120)
