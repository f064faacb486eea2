"""The command line: what it starts, and what it says of mistakes."""

import json
import re
import shlex
from pathlib import Path

import pytest

from md4keras import cli

pytestmark = pytest.mark.one_backend


def test_the_app_is_started_on_the_folder(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("md4keras.cli.app.become", lambda *command: started.append(command))
    assert cli.main(["app", str(tmp_path / "models"), "--port", "8765"]) == 0
    ((module, arguments),) = started
    assert module == "streamlit" and arguments[0] == "run"
    assert {"--server.address=localhost", "--server.port=8765"} <= set(arguments)
    home, _, folder = arguments[-3:]
    assert Path(home).is_file() and home.endswith("Home.py") and folder == str(tmp_path / "models")


def test_mistakes_end_with_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    assert cli.main(["app", str(tmp_path / "file")]) == 2
    assert "Models are looked for in a folder" in capsys.readouterr().err
    assert cli.main(["app", str(tmp_path), "--port", "65536"]) == 2
    assert "port=65536" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["app", str(tmp_path)]) == 2
    assert 'pip install "md4keras[app]"' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["unknown"])


def fail(monkeypatch, error):
    """Runs a command whose work ends with an error; returns the exit status."""

    def failing(*args, **kwargs):
        raise error

    monkeypatch.setattr("md4keras.cli.request.request", failing)
    return cli.main(["request", "http://localhost/v1/models/m", "generate"])


def test_stopping_a_request_is_a_failure(monkeypatch, capsys):
    assert fail(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."),  # JAX
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
    ],
)
def test_too_little_memory_is_said_in_words(monkeypatch, capsys, error):
    assert fail(monkeypatch, error) == 2
    assert capsys.readouterr().err.startswith("error: there is not enough memory")


@pytest.mark.parametrize("error", [RuntimeError("defect"), TypeError("defect"), KeyError("a")])
def test_a_defect_shows_where_it_is(monkeypatch, error):
    with pytest.raises(type(error)):
        fail(monkeypatch, error)


@pytest.mark.parametrize("form", [[], ["--native"], ["--format", "onnx"]])
def test_an_export_says_what_it_wrote(monkeypatch, capsys, tmp_path, form):
    for name in ("export_saved_model", "export_native", "export_denoiser"):
        monkeypatch.setattr(f"md4keras.cli.export.{name}", lambda model, out, *args: out / "1")
    assert cli.main(["export", "model", str(tmp_path), *form, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["out"] == str(tmp_path / "1") and found["model"] == "model"
    assert found["format"] == (form or ["saved_model"])[-1].removeprefix("--")


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself_with_examples_that_are_read(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    examples = re.findall(r"^  md4keras (.*)", capsys.readouterr().out, re.M)
    assert examples
    for example in examples:
        words = shlex.split(example, comments=True)
        assert words[0] == verb
        cli.parse(words)
