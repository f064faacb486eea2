"""The wheel installs one name, and everything runs from there, wherever the user stands."""

import os
import shutil
import subprocess
import sys
import textwrap
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

# Built once: the file's tests go to one process.
pytestmark = [pytest.mark.one_backend, pytest.mark.xdist_group("wheel")]

ROOT = Path(__file__).parents[1]
PLACES = {"md4keras": "md4keras", "app": "md4keras/app", "train": "md4keras/train"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names of the files in the wheel, and a folder that it was unpacked to."""
    source, out, folder = map(tmp_path_factory.mktemp, ("source", "out", "installed"))
    for name in PLACES:  # building leaves folders behind, so not in the checkout
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    run(*command, "--no-index", "-w", str(out), str(source), folder=source)
    (path,) = out.iterdir()
    with zipfile.ZipFile(path) as file:
        file.extractall(folder)
        return set(file.namelist()), folder


def run(*command, folder):
    """Runs a command with the folder first on Python's path; returns what it prints."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(folder)}
    result = subprocess.run(
        command, cwd=folder.parent, env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_one_name_is_installed(wheel):
    tops = {name.partition("/")[0] for name in wheel[0]}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"md4keras"}


def test_every_file_is_in_it(wheel):
    """Packages, pages, static files and data: none is forgotten in pyproject.toml."""
    there = {
        f"{place}/{path.relative_to(ROOT / name).as_posix()}"
        for name, place in PLACES.items()
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel[0] if ".dist-info/" not in name} == there


def test_a_recipe_runs_from_it(wheel):
    printed = run(sys.executable, "-m", "md4keras.train.digits", "--help", folder=wheel[1])
    assert "--batch-size" in printed


def test_every_page_runs_from_it(wheel):
    """The pages' `app` is there once, and the library's `random` hides no other."""
    code = """
        import pathlib, random, sys
        from unittest import mock
        from streamlit.testing.v1 import AppTest
        from md4keras import cli

        folder = pathlib.Path(sys.argv[1]) / "md4keras"
        with mock.patch("md4keras.cli.app.become") as start:
            cli.main(["app"])
        page = AppTest.from_file(start.call_args.args[1][-3], default_timeout=120).run()
        for view in sorted((folder / "app" / "views").glob("*.py")):
            page.switch_page(f"views/{view.name}").run()
            assert not page.exception and page.title[0].value, (view, page.exception)
        assert sys.modules["app"].__file__ == str(folder / "app" / "__init__.py")
        assert not [name for name in sys.modules if name.startswith(("md4keras.app", "train."))]
        assert str(folder) not in sys.path and not random.__file__.startswith(str(folder))
        assert sys.modules["md4keras"].__file__ == str(folder / "__init__.py")
        print(sys.modules["app.background"].COMMAND[-1])
    """
    command = (sys.executable, "-c", textwrap.dedent(code))
    assert run(*command, str(wheel[1]), folder=wheel[1]).split()[-1] == "md4keras.train.demo"


@pytest.mark.parametrize("device", ["gpu", "tpu"])
def test_requirements_of_accelerators_have_what_recipes_need(device):
    """In the versions of requirements.txt, which has all of them."""

    def names(lines):
        return {Requirement(line).name.lower() for line in lines if line and line[0] not in "#-"}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    parts = (project["dependencies"], *(extras[name] for name in ("recipes", "data", "tokenizers")))
    text = (ROOT / f"requirements-{device}.txt").read_text(encoding="utf-8")
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = names(text.splitlines())
    assert "-c requirements.txt" in text.splitlines()
    assert set().union(*map(names, parts)) == found <= names(line.split("#")[0] for line in pinned)
