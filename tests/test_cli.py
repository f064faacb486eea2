"""The command line: what it starts, and what it says of mistakes."""

from pathlib import Path

import pytest

from md4keras import cli

pytestmark = pytest.mark.one_backend


def test_the_app_is_started_on_the_folder(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(cli.app, "become", lambda *command: started.append(command))
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


def test_stopping_a_request_is_a_failure(monkeypatch):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("md4keras.cli.request.request", stopped)
    assert cli.main(["request", "http://localhost/v1/models/m", "generate"]) == 130
