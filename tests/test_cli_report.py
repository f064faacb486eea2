"""`md4keras evaluate --report`: the same figures again by the command in it, and mistakes."""

import argparse
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

import md4keras
from md4keras import cli, data
from md4keras.cli import evaluate, evaluation_report
from md4keras.evaluation.report import read_report
from tests.tiny_models import LENGTH, save_image_model, save_text_model

pytestmark = pytest.mark.one_backend

TEXT = "a text of some words that is longer than the windows are " * 3
FEW = ("--num-draws", "4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model that was trained on texts, one of digits, and another text."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text("some words and more " * 40)
    (folder / "my own.txt").write_text(TEXT)
    facts = data.text_files(folder / "texts").facts
    recipe = {"source": "text_files", "data": "texts", "read": facts}
    recipe["baselines_bits_per_dim"] = {"unigram": 3.5, "broken": "much"}
    save_text_model(folder / "run of text" / "model", recipe)
    facts = data.digits().facts
    recipe = {"recipe": "digits", "data": None, "read": facts}
    save_image_model(folder / "digits" / "model", recipe, tuple("0123456789"))
    return folder


@pytest.fixture
def ask(folder, capsys, monkeypatch):
    """Runs a command in the folder; returns what it prints to standard output and error."""
    monkeypatch.chdir(folder)

    def asked(*words, status=0):
        assert cli.main([str(word) for word in words]) == status
        return capsys.readouterr()

    return asked


OWN = ("evaluate", "run of text", "--data", "my own.txt", *FEW)


@pytest.fixture(scope="module")
def first(folder, tmp_path_factory):
    """What a command with a report prints as JSON, without it too, and the report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        printed = []
        patch.setattr(evaluate, "print_json", printed.append)
        assert cli.main([*OWN, "--json"]) == cli.main([*OWN, "--json", "--report"]) == 0
        return *printed, read_report("run of text/report")


def test_it_stands_beside_the_model_and_changes_nothing(first, folder):
    without, result, _ = first
    assert without.keys() == result.keys()
    for name, value in without.items():  # with tables, sums are taken in float64
        if isinstance(value, float | list):
            figure = without[name.split("_error")[0]]  # its errors keep its rounding
            rounding = abs(figure) * 2**-23 if "_error" in name else 0.0
            value = pytest.approx(value, rel=1e-6, abs=rounding)
        assert result[name] == value, name
    folder = folder / "run of text" / "report"
    assert {path.name for path in folder.iterdir()} == {"report.json", "report.html"}
    assert "my own.txt" in (folder / "report.html").read_text(encoding="utf-8")


def test_its_figures_are_those_that_are_printed(first):
    _, result, report = first
    rows = {row["name"]: row for row in report.figures}
    for name, key in (
        ("bits per character", "bits_per_dim"),
        ("nats per character", "nats_per_dim"),
        ("perplexity per character", "perplexity"),
    ):
        row = rows.pop(name)
        assert row["value"] == result[key] and row["error"] == result[f"{key}_error"]
        assert row["error_of_draws"] == result[f"{key}_error_of_draws"]
        assert row["interval"] == result[f"{key}_interval"]
    word = rows.pop("bits per word")
    assert word["value"] == pytest.approx(result["bits_per_word"])
    assert word["error"] == pytest.approx(result["bits_per_word_error"])
    perplexity = rows.pop("perplexity per word")["value"]
    assert perplexity == pytest.approx(result["perplexity_per_word"]) and not rows


def test_its_curve_and_tables_add_up_to_the_figure(first, folder):
    _, result, report = first
    bits, tables = result["bits_per_dim"], report.tables
    assert len(report.curve["bits"]) == 4 and tables["shape"] == [LENGTH]
    assert np.mean(report.curve["bits"]) == pytest.approx(bits, rel=1e-3)  # equal parts of time
    assert np.mean(tables["positions"]) == pytest.approx(bits, rel=1e-4)
    used = TEXT[: len(TEXT) // LENGTH * LENGTH]
    rows = tables["dearest"] + tables["cheapest"]
    assert rows and all(row["count"] == used.count(row["text"]) >= 10 for row in rows)
    shares = [row["bits"] * row["count"] / (bits * len(used)) for row in rows]
    assert [row["share"] for row in rows] == pytest.approx(shares, rel=1e-4)
    assert tables["dearest"][0]["bits"] == max(row["bits"] for row in rows)


def test_the_command_in_it_gives_the_same_again(first, folder, ask):
    report = first[-1]
    variable, *words = shlex.split(report.command)
    assert variable == "KERAS_BACKEND=jax" and words[0] == "md4keras"
    assert words[1:] == [*OWN, "--json", "--report"]
    words.remove("--json")
    printed = ask(*words[1:], "elsewhere")
    assert f"{report.figures[0]['value']:.4f} +- " in printed.out
    assert "the report is in 'elsewhere'" in printed.err
    before = json.loads((folder / "run of text" / "report" / "report.json").read_text())
    again = json.loads((folder / "elsewhere" / "report.json").read_text())
    for each in (before, again):
        assert each.pop("date").endswith("+00:00")
        each.pop("command")  # here the folder is named
    assert again == before


def test_it_tells_what_was_measured_with_what(first, folder):
    report = first[-1]
    metadata = json.loads((folder / "run of text" / "model" / "metadata.json").read_text())
    assert report.model["weights"] == metadata["sha256"]["model.weights.h5"]
    assert report.model["parameters"] == metadata["parameter_count"]
    facts = data.text_files(folder / "my own.txt", validation_fraction=None).facts
    assert report.data["files"] == facts["fingerprint"]
    assert report.data["examples"] == len(TEXT) // LENGTH
    assert report.data["left_out"] == len(TEXT) % LENGTH > 0
    assert report.data["training"] == "other" and report.baselines == []
    assert report.versions["md4keras"] == md4keras.__version__
    assert {"python", "keras", "numpy", "jax"} <= set(report.versions)
    told = {each["name"]: each["text"] for each in report.conventions}
    assert {"bound", "unit", "draws", "time", "errors", "rows", "perplexity", "words"} <= set(told)
    assert told["draws"].startswith("4 draws") and told["unit"].startswith(
        "Bits for each character"
    )
    assert any("fewer than 100" in warning for warning in report.warnings)
    assert any("are left out" in warning for warning in report.warnings)


def test_data_of_the_training_have_its_baselines(ask, folder):
    ask("evaluate", "run of text", *FEW, "--report", "held", "--limit", "2")
    report = read_report(folder / "held")
    assert report.data["training"] == "held out" and report.settings["limit"] == 2
    assert report.baselines == [{"name": "unigram", "bits": 3.5}]
    assert any("unigram needs 3.5000 bits" in warning for warning in report.warnings)
    assert any("first 2 of" in warning for warning in report.warnings)
    whole = report.data["fingerprint"]
    before = (folder / "texts" / "a.txt").read_text()
    (folder / "texts" / "a.txt").write_text("another text of words " * 40)
    printed = ask("evaluate", "run of text", *FEW, "--report", "held", "--limit", "2")
    (folder / "texts" / "a.txt").write_text(before)
    assert "the data have changed" in printed.err
    report = read_report(folder / "held")
    assert report.data["training"] == "changed" and report.data["fingerprint"] != whole
    assert report.baselines == []


def test_images_have_a_map_and_levels(ask, folder):
    words = ("evaluate", "digits/model", "--num-draws", "2", "--limit", "20")
    ask(*words, "--report")
    report = read_report(folder / "digits" / "report")
    assert report.tables["shape"] == [8, 8] and report.data["dimension"] == "dimension"
    assert report.tables["dearest"][0]["text"] == str(report.tables["dearest"][0]["id"])
    names = [each["name"] for each in report.conventions]
    assert "classes" in names and "perplexity" not in names
    assert [row["unit"] for row in report.figures] == ["bits", "nats"]


def test_the_place_of_another_models_report_is_told(ask, folder):
    words = ("evaluate", "run of text", *FEW, "--limit", "2", "--report", "shared")
    assert "of another model" not in ask(*words).err
    assert "of another model" not in ask(*words).err
    model = md4keras.load_model(folder / "run of text" / "model")
    model.network.set_weights([2 * weight for weight in model.network.get_weights()])
    md4keras.save_model(model, folder / "twice")
    printed = ask("evaluate", "twice", *words[2:])
    assert "the report in 'shared' is of another model" in printed.err
    assert read_report(folder / "shared").model["name"] == "twice"


def test_a_preset_is_reported_in_the_working_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()  # without a model
    options = argparse.Namespace(model="digits", report=evaluation_report.BESIDE)
    assert evaluation_report.target(options).folder == Path("digits_report")
    options.model = folder / "run of text"
    beside = folder / "run of text" / "report"
    assert evaluation_report.target(options).folder.resolve() == beside.resolve()


def test_mistakes_are_told_before_the_work(ask, folder, monkeypatch):
    def load(options):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(evaluate, "load", load)
    for place, words in (
        ("my own.txt", "is or leads through a file"),
        ("absent/report", "there is no folder"),
    ):
        assert words in ask(*OWN, "--report", place, status=2).err
    monkeypatch.setattr("os.access", lambda place, mode: False)
    assert "No permission to write" in ask(*OWN, "--report", status=2).err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("os.access", lambda place, mode: True)
    assert "pip install md4keras[eval]" in ask(*OWN, "--report", status=2).err
