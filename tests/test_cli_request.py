"""`md4keras request`: what it prints and writes, and what it says of mistakes."""

import io
import json
import re

import numpy as np
import pytest

from md4keras import cli
from md4keras.cli.request import read_pairs, show

pytest.importorskip("tensorflow_serving", reason='pip install "md4keras[serving]"')

from tests.serving_double import ServingDouble
from tests.serving_model import save_small_model

pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    save_small_model(folder)
    with ServingDouble(folder) as double:
        yield double


@pytest.fixture(params=["rest", "grpc"])
def address(request, server):
    return {"rest": server.rest_address, "grpc": server.grpc_address}[request.param]


def test_text_is_printed_line_by_line(address, capsys):
    assert cli.main(["request", address, "generate_text", "num_samples=3", "seed=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(len(line) == 4 and set(line) <= set("abc") for line in lines)


def test_numbers_are_printed_as_json(address, capsys):
    assert cli.main(["request", address, "generate", "num_samples=3"]) == 0
    printed = capsys.readouterr().out
    answer = json.loads(printed)
    assert np.shape(answer["tokens"]) == (3, 4)
    assert answer["network_calls"] == 5 and answer["temperature"] == 0.9  # not 0.8999999761581421
    assert len(printed.splitlines()) == 9  # a sample is a line


def test_inputs_come_from_a_file_or_standard_input(address, capsys, tmp_path, monkeypatch):
    inputs = {"tokens": [[7] * 4], "mask": [[False] * 4], "seed": 3}
    (tmp_path / "inputs.json").write_text(json.dumps(inputs))
    file = str(tmp_path / "inputs.json")
    assert cli.main(["request", address, "infill", "seed=4", "--inputs", file]) == 0
    from_file = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(inputs)))
    assert cli.main(["request", address, "infill", "--inputs", "-"]) == 0
    assert capsys.readouterr().out == from_file
    assert json.loads(from_file)["tokens"] == [[7] * 4]


def test_outputs_go_to_a_file(address, capsys, tmp_path):
    out = tmp_path / "answer"  # the name as it is given, without ".npz"
    arguments = ["request", address, "infill_text", 'text=["a_", "b"]', "--out", str(out)]
    assert cli.main(arguments) == 0
    with np.load(out, allow_pickle=False) as saved:
        assert saved["text"].tolist() == ["aa", "b"]
    assert f"{out}: text str" in capsys.readouterr().out
    assert cli.main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["out"] == str(out) and told["outputs"]["text"]["shape"] == [2]
    assert cli.main([*arguments[:-2], "--json"]) == 0  # all of it, texts too
    assert json.loads(capsys.readouterr().out)["text"] == ["aa", "b"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["generate", "num_samples=9"], "error: INVALID_ARGUMENT: .*num_samples must be at most 8"),
        (["generate"], "error: The signature 'generate' needs 'num_samples'"),
        (["sample"], "error: Unknown `signature`"),
        (["generate", "num_samples=many"], "num_samples='many'"),
        (["generate", "num_samples"], "error: Inputs are written as name=value"),
        (["generate", "num_samples=1", "num_samples=2"], "'num_samples' twice"),
        (["generate", "--inputs", "no/such/file"], "No such file"),
        (["generate", "num_samples=1", "--timeout", "0"], "positive number of seconds"),
        (["generate", "num_samples=1", "--out", "no/such/folder/a.npz"], "No such file"),
    ],
)
def test_mistakes_end_with_one_line(server, capsys, arguments, words):
    assert cli.main(["request", server.rest_address, *arguments]) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1 and not printed.out
    assert printed.err.startswith("error: ")
    assert re.search(words, printed.err)


@pytest.mark.parametrize("text", ["no json", "[1]", "[" * 100_000])
def test_json_that_is_no_object(server, capsys, monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert cli.main(["request", server.rest_address, "generate", "--inputs", "-"]) == 2
    assert "Inputs are read" in capsys.readouterr().err


def test_options_stand_anywhere(server, capsys):
    words = ["num_samples=2", "--timeout", "60", "seed=1"]
    for arguments in (words, words[1:] + words[:1], words[:1] + words[3:] + words[1:3]):
        assert cli.main(["request", server.rest_address, "generate_text", *arguments]) == 0
    assert (
        cli.main(["request", "--timeout", "60", server.rest_address, "generate_text", *words]) == 0
    )
    assert len(set(capsys.readouterr().out.splitlines())) == 2
    with pytest.raises(SystemExit):
        cli.main(["request", server.rest_address, "generate_text", "num_samples=2", "--steps", "3"])
    with pytest.raises(SystemExit):
        cli.main(["app", "runs", "seed=1"])


def test_addresses(capsys):
    assert cli.main(["request", "localhost:8501", "generate"]) == 2
    assert "This is no address of a served model" in capsys.readouterr().err


def test_values_are_json_or_words():
    pairs = ["a=4", "b=[1, 2]", "c=word", "d=x=y", "e=", 'f="4"', "g=true"]
    expected = {"a": 4, "b": [1, 2], "c": "word", "d": "x=y", "e": "", "f": "4", "g": True}
    assert read_pairs(pairs) == expected


def test_what_is_printed_cannot_steer_the_terminal(monkeypatch, capsys):
    answer = {"text": np.array(["a\x1b[2Jb", "tab\tand\nline"])}
    monkeypatch.setattr("md4keras.cli.request.request", lambda *args: answer)
    assert cli.main(["request", "http://localhost/v1/models/m", "generate_text"]) == 0
    assert capsys.readouterr().out == "a\\x1b[2Jb\ntab\tand\nline\n"


def test_shapes_in_print():
    assert show({"x": np.float32([0.1, np.inf])}) == '{\n  "x": [0.1, Infinity]\n}'
    assert json.loads(show({"x": np.zeros((2, 2, 2), bool), "y": np.int64(3)})) == {
        "x": [[[False] * 2] * 2] * 2,
        "y": 3,
    }
    assert json.loads(show({"x": np.zeros((0, 4), int)})) == {"x": []}
