"""The search for a browser."""

import pytest

from tests.app.browsers import find_browser

pytestmark = pytest.mark.one_backend


@pytest.fixture(autouse=True)
def commands(tmp_path, monkeypatch):
    """The folder of commands, with nothing in it yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return str(path)


def test_a_command_comes_before_playwrights_own_and_bundles(tmp_path, commands):
    own, applications = tmp_path / "ms-playwright" / "chrome", [tmp_path / "Applications"]
    assert find_browser(str(own), applications) is None
    name = "Google Chrome"
    bundle = made(applications[0] / f"{name}.app" / "Contents" / "MacOS" / name)
    assert find_browser(str(own), applications) == bundle
    assert find_browser(made(own), applications) == str(own)
    command = made(commands / "chromium")
    assert find_browser(str(own), applications) == command
