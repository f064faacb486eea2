"""The page of models: what is saved, what does not load, and what to do where there is nothing."""

import json
import shutil

import keras
import pyarrow
import pytest

import md4keras
from app import demo
from md4keras.networks import UNet

pytestmark = pytest.mark.one_backend


def unescaped(markdown):
    return markdown.replace("\\", "")


@pytest.fixture
def folder(text_folder, digits_folder, tmp_path):
    """Two models, and one that is damaged."""
    for source in (text_folder, digits_folder):
        shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    shutil.copytree(text_folder / "text" / "model", tmp_path / "broken")
    (tmp_path / "broken" / "config.json").write_text("{}")
    return tmp_path


def test_models_are_listed_and_damaged_ones_with_the_reason(open_page, folder):
    app = open_page("models", folder)
    table = app.table[0].value
    titles = ["Digits: U-Net", "Text: Transformer"]
    assert [unescaped(title).partition(",")[0] for title in table["Model"]] == titles
    assert "digits/model" in table["Folder"][0] and ":small" in table["Folder"][0]
    assert (
        "broken" in app.warning[0].value and "not the file that was saved" in app.warning[0].value
    )
    assert app.sidebar.selectbox[0].value == "digits/model"


def test_samples_are_drawn_of_the_model_that_is_picked(open_page, folder):
    app = open_page("models", folder)
    app.sidebar.selectbox[0].select("text/model").run()
    assert unescaped(app.subheader[0].value).startswith("Text: Transformer")
    app.button(key="models_draw").click().run()
    assert not app.exception and len(app.code) == 3
    assert all(len(code.value) == 32 for code in app.code)
    assert any("network calls" in caption.value for caption in app.caption)
    first = [code.value for code in app.code]
    app.run()
    assert [code.value for code in app.code] == first  # they stay until others are drawn
    app.button(key="models_draw").click().run()
    assert [code.value for code in app.code] != first


def test_the_training_curve_begins_near_its_values(open_page, tmp_path):
    keras.utils.set_random_seed(0)
    model = md4keras.MD4(UNet(17, (4, 4, 1), num_layers=0, feature_dim=64))
    model.recipe = {
        "history": [
            {"step": 1, "bits_per_dim": 3.0},
            {"step": 2, "bits_per_dim": 2.0, "val_bits_per_dim": 2.5, "grad_norm": 1.0},
            {"step": 3, "bits_per_dim": None, "val_bits_per_dim": "much"},
            "no row",
        ]
    }
    md4keras.save_model(model, tmp_path / "model")
    (chart,) = open_page("models", tmp_path).get("vega_lite_chart")
    assert json.loads(chart.proto.spec)["encoding"]["y"]["scale"] == {"zero": False}
    rows = pyarrow.ipc.open_stream(chart.proto.data.data).read_all().to_pylist()
    assert rows == [
        {"step": 1, "split": "training", "bits": 3.0},
        {"step": 2, "split": "training", "bits": 2.0},
        {"step": 2, "split": "validation", "bits": 2.5},
    ]


def test_without_models_the_demo_is_offered(open_page, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(demo.background.DemoTraining, "start", lambda self: started.append(self))
    app = open_page("models", tmp_path / "absent")
    assert "absent" in app.info[0].value and not app.table
    (button,) = app.button
    button.click().run()
    assert started[0].output == (tmp_path / "absent" / "demo").resolve()


@pytest.mark.parametrize("page", ["generate", "infill", "inpaint", "watch", "compare"])
def test_pages_without_a_model_say_where_to_get_one(open_page, tmp_path, page):
    assert "Models" in open_page(page, tmp_path).info[0].value
