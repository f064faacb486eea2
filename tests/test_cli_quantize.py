"""`md4keras quantize`: a smaller model in a folder of its own, and what it says of it."""

import json

import pytest

import md4keras
from md4keras import cli
from tests.tiny_models import save_text_model

pytestmark = pytest.mark.one_backend


def test_a_quantized_model_is_written_and_described(tmp_path, capsys):
    save_text_model(tmp_path / "model")
    words = ["quantize", str(tmp_path / "model"), str(tmp_path / "small"), "--json"]
    assert cli.main([*words, "--mode", "int4", "--keep", "^head"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["mode"] == "int4" and 0 < said["logits_difference"] < 5
    network = md4keras.load_model(tmp_path / "small").network
    assert network.quantization_mode_of_layers == "int4"
    assert network.head.projection.quantization_mode is None
    assert cli.main(["quantize", str(tmp_path / "small"), str(tmp_path / "smaller")]) == 2
    assert "is quantized" in capsys.readouterr().err


def test_a_model_may_take_its_own_place(tmp_path, capsys):
    save_text_model(tmp_path / "model")
    size = sum(path.stat().st_size for path in (tmp_path / "model").iterdir())
    assert cli.main(["quantize", str(tmp_path / "model"), str(tmp_path / "model"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes_before"] == size


def test_what_cannot_be_measured_is_told_before(tmp_path, capsys):
    save_text_model(tmp_path / "model")
    words = ["quantize", str(tmp_path / "model"), str(tmp_path / "small")]
    assert cli.main([*words, "--keep", "["]) == 2
    assert "error: --keep is no regular expression" in capsys.readouterr().err
    assert cli.main([*words, "--measure", "1"]) == 2
    assert "two examples" in capsys.readouterr().err
    assert cli.main([*words, "--measure", "4"]) == 2
    assert "does not tell what it was trained on" in capsys.readouterr().err
    assert not (tmp_path / "small").exists()
