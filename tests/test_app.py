"""The app's pages, run without a browser."""

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

pytestmark = pytest.mark.one_backend

HOME = str(Path(__file__).parents[1] / "app" / "Home.py")


@pytest.fixture
def open_home(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [HOME, *map(str, arguments)])
        page = AppTest.from_file(HOME, default_timeout=30).run()
        assert not page.exception
        assert page.title[0].value == "md4keras"
        return page

    return run


def make_model_folder(folder):
    folder.mkdir(parents=True)
    for name in ("config.json", "metadata.json"):
        (folder / name).write_text("{}")


def test_lists_saved_models(open_home, tmp_path):
    make_model_folder(tmp_path / "text" / "model")
    make_model_folder(tmp_path / "digits" / "model")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metadata.json").write_text("{}")  # no saved model
    page = open_home(tmp_path)
    assert list(page.dataframe[0].value["Saved model"]) == ["digits/model", "text/model"]
    assert not page.info


def test_says_what_to_do_where_there_is_none(open_home, tmp_path):
    page = open_home(tmp_path / "absent")
    assert "absent" in page.info[0].value
    assert not page.dataframe


def test_looks_in_runs_by_default(open_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_model_folder(tmp_path / "runs" / "digits" / "model")
    assert list(open_home().dataframe[0].value["Saved model"]) == ["digits/model"]
