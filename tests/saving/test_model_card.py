"""Model cards: what the folder and the report say, and no more; a user's own stays."""

import dataclasses
import json
import os
import re

import pytest
import yaml

from md4keras import MD4, BlockDiffusion, checkpoints, load_model, save_model
from md4keras.evaluation.report_form import Report, check
from md4keras.networks import DiT, Transformer, UNet
from md4keras.saving import model_card
from md4keras.tokenizers import CharacterTokenizer
from tests.saved_folders import resigned

pytestmark = pytest.mark.one_backend

RECIPE = {
    "recipe": "pydoc",
    "source": "pydoc",
    "licence": "PSF-2.0",
    "steps": 600,
    "batch_size": 64,
    "seed": 0,
    "seconds": 5400.0,
    "backend": "jax",
    "weights": "averaged",
    "settings": {},
    "validation": {"bits_per_dim": 2.345678},
    "baselines_bits_per_dim": {"unigram | of all": 4.1},
}


@pytest.fixture
def model():
    made = MD4(Transformer(5, 8, num_layers=1, num_heads=1, feature_dim=64))
    made.tokenizer, made.recipe = CharacterTokenizer("abcde"), dict(RECIPE)
    return made


def report_of(weights):
    figure = {"value": 2.3456, "error": 0.0123, "error_of_draws": 0.01, "interval": [2.3, 2.4]}
    names = ("name", "kind", "network", "tokenizer")
    report = Report(
        command="md4keras evaluate runs/x --report",
        date="2026-01-01T00:00:00+00:00",
        seeds={"masks": 0},
        versions={},
        model={**dict.fromkeys(names, "x"), "parameters": 9, "weights": weights},
        data={
            "name": "pydoc",
            "fingerprint": "f",
            "files": None,
            "examples": 99,
            "examples_in_all": 99,
            "dimensions": 792,
            "dimension": "character",
            "left_out": 0,
            "padding": 0,
            "training": "held out",
        },
        settings={"num_draws": 16, "timesteps": None, "limit": None},
        conventions=[],
        figures=[
            {"name": "bits per token", "unit": "bits", **figure},
            {"name": "bits per character", "unit": "bits", **figure, "value": 2.3456 / 2},
        ],
        baselines=[{"name": "trigram", "bits": 2.75}],
        curve={name: [0.5] for name in ("time", "masked_fraction", "bits", "error")},
        warnings=["few examples"],
    )
    check(dataclasses.asdict(report), "the test")
    return report


def front_matter(card):
    _, front, text = card.split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_card_tells_what_the_recipe_tells(model, tmp_path):
    folder = model.save_to_preset(tmp_path / "letters", license="apache-2.0")
    front, text = front_matter((folder / "README.md").read_text())
    assert front["license"] == "apache-2.0" and front["pipeline_tag"] == "text-generation"
    assert front["library_name"] == "md4keras" and "keras" in front["tags"]
    for told in ("# letters", "`MD4`", "PSF-2.0", "md4keras train pydoc", "90 minutes", "2.346"):
        assert told in text
    assert f"{model.network.count_params():,} parameters" in text
    assert "unigram \\| of all | 4.100" in text and "Apache" not in text
    program = text.split("```python\n")[1].split("```")[0]
    exec(program.replace("hf://owner/name", str(folder)).replace("num_steps=64", "num_steps=1"))


def test_a_card_of_images_without_a_recipe(tmp_path):
    folder = MD4(UNet(4, (4, 6, 1), 0, 64)).save_to_preset(tmp_path / "model")
    front, text = front_matter((folder / "README.md").read_text())
    assert front["pipeline_tag"] == "unconditional-image-generation" and "license" not in front
    assert "not stated" in text and "Nothing was measured." in text and "no recipe" in text


def program_of(folder):
    return (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]


def test_the_program_of_a_card_runs_for_models_with_classes_and_those_in_blocks(tmp_path):
    classes = MD4(UNet(4, (4, 6, 1), 0, 64, num_classes=3))
    blocks = BlockDiffusion(DiT(5, 8, num_layers=0, num_heads=2, hidden_dim=8), 4)
    blocks.tokenizer = CharacterTokenizer("abcde")
    for name, model in (("classes", classes), ("blocks", blocks)):
        program = program_of(model.save_to_preset(tmp_path / name))
        assert "generate(" in program
        program = program.replace("hf://owner/name", str(tmp_path / name))
        exec(program.replace("num_steps=64", "num_steps=1"))


def test_a_card_of_converted_weights_says_whose_they_are(model, tmp_path):
    for source, told in (("hf://owner/tiny", "hf://owner/tiny"), ("/home/me/tiny", "| tiny |")):
        model.recipe = {"recipe": "MDLM tiny", "converted": {"kind": "MDLM", "source": source}}
        text = (model.save_to_preset(tmp_path / "model") / "README.md").read_text()
        assert "weights of a published checkpoint" in text and "| kind | MDLM |" in text
        assert told in text and "/home/me" not in text


@pytest.mark.parametrize("network", [None, 3, {"class_name": "UNet"}])
def test_a_card_of_a_damaged_model_is_an_error_that_says_so(model, tmp_path, network):
    folder = model.save_to_preset(tmp_path / "model")
    config = folder / "config.json"
    content = json.loads(config.read_text())
    content["config"]["network"] = network
    config.write_text(json.dumps(content))
    resigned(folder)
    with pytest.raises(ValueError, match="The saved model is damaged"):
        checkpoints.write_card(folder)


def test_a_card_is_written_whole_or_not_at_all(model, tmp_path, monkeypatch):
    """And so are the metadata, which tell that it is ours."""
    folder = model.save_to_preset(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def replace(source, place):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", replace)
    for keep_card in (False, True):
        if keep_card:
            monkeypatch.setattr(model_card, "write_whole", lambda *arguments: None)
        with pytest.raises(OSError, match="disk is full"):
            checkpoints.write_card(folder, title="Another")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_damaged_model_is_replaced_and_the_card_in_it_stays(model, tmp_path):
    folder = model.save_to_preset(tmp_path / "model")
    (folder / "metadata.json").write_text("{")
    card = (folder / "README.md").read_text()
    save_model(model, folder)
    assert load_model(folder).recipe == model.recipe
    assert (folder / "README.md").read_text() == card


def test_a_card_tells_what_the_report_tells(model, tmp_path):
    measured = save_model(model, tmp_path / "measured")
    report = report_of(checkpoints.read_saved(measured).weights_fingerprint)
    text = (model.save_to_preset(tmp_path / "a", report=report) / "README.md").read_text()
    assert "| bits per token | bits | 2.346 ± 0.012 | 2.300 to 2.400 |" in text
    assert "| trigram | 2.750 | 1.375 |" in text  # for a token, and for a character
    assert "- few examples" in text and report.command in text
    assert "2.3457" not in text and "float16" not in text
    half = load_model(measured).save_to_preset(tmp_path / "b", "float16", report)
    assert "before the weights were rounded to float16" in (half / "README.md").read_text()


def test_a_report_of_other_weights_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"of other weights.*report of 0000000000000000\. Measure"):
        model.save_to_preset(tmp_path / "model", report=report_of("0" * 64))
    with pytest.raises(ValueError, match="Expected one as the hub writes it.*license='CC BY'"):
        model.save_to_preset(tmp_path / "model", license="CC BY")
    assert not (tmp_path / "model").exists()


def test_a_user_s_card_stays_and_ours_is_renewed(model, tmp_path):
    folder = model.save_to_preset(tmp_path / "model")
    card = folder / "README.md"
    model.recipe["steps"] = 777
    model.save_to_preset(folder)
    assert "777" in card.read_text()
    changed = card.read_text() + "\nMy own words.\n"
    card.write_text(changed)
    for save in (model.save_to_preset, lambda folder: save_model(model, folder)):
        save(folder)
        assert card.read_text() == changed
    checkpoints.write_card(folder)
    assert card.read_text() == changed
    card.unlink()
    save_model(model, folder)
    assert not card.exists()  # only a preset has one
    load_model(folder)


def test_what_a_recipe_says_is_no_markdown(model, tmp_path):
    bad = "x](javascript:1) <script> `a`\n\n# b | c ```"
    model.recipe |= {"source": bad, "licence": [bad], "recipe": "a; rm -rf", "seconds": 1e400}
    text = (model.save_to_preset(tmp_path / "model") / "README.md").read_text()
    assert "<script>" not in text and "\n# b" not in text and "rm -rf" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)
