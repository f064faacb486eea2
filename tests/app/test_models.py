"""The page of models: what is saved, what does not load, and what to do where there is nothing."""

import json
import shutil

import keras
import pyarrow
import pytest

import md4keras
from app import demo
from md4keras import cli
from md4keras.evaluation.report import read_report
from md4keras.figures import in_words
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


@pytest.fixture
def reported(text_folder, tmp_path, capsys):
    """A folder with a model, beside which lies its report."""
    shutil.copytree(text_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "own.txt").write_text("some words of a text " * 20)
    how = ["--data", str(tmp_path / "own.txt"), "--num-draws", "2", "--report"]
    assert cli.main(["evaluate", str(tmp_path / "text" / "model"), *how]) == 0
    return tmp_path


def test_the_report_beside_a_model_is_shown(open_page, reported):
    app = open_page("models", reported)
    report = read_report(reported / "text" / "report")
    figures, conventions = (table.value for table in app.table[-2:])
    rows = [in_words(row) for row in report.figures]
    assert list(map(unescaped, figures["value and error"])) == [value for value, *_ in rows]
    assert list(map(unescaped, figures["95 % interval"])) == [interval for *_, interval in rows]
    assert list(conventions["name"]) == [each["name"] for each in report.conventions]
    (warning,) = app.warning
    assert unescaped(warning.value).split("\n") == [f"- {each}" for each in report.warnings]
    assert len(report.warnings) >= 2 and app.code[0].value == report.command
    (button,) = app.get("download_button")
    assert button.proto.label == "Report"


def test_a_report_that_is_not_the_models_is_not_shown(open_page, reported):
    path = reported / "text" / "report" / "report.json"
    values = json.loads(path.read_text())
    values["model"]["weights"] = "of another"
    path.write_text(json.dumps(values))
    app = open_page("models", reported)
    assert any("of other weights" in unescaped(each.value) for each in app.caption)
    assert not app.code and not app.warning
    path.write_text('{"format": 1}')
    app.run()
    assert "The report is damaged" in unescaped(app.warning[0].value) and not app.code
    path.unlink()
    app.run()
    command = f"md4keras evaluate {reported / 'text' / 'model'} --report"
    assert any(command in unescaped(each.value) for each in app.caption) and not app.warning


def test_no_report_outside_the_folder_is_shown(open_page, reported):
    app = open_page("models", reported / "text" / "model")
    assert not app.code and any("There is none yet" in each.value for each in app.caption)
