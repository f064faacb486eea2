"""The site has a page for every public name, and builds without a broken link."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

import md4keras
from docs.tools import docstrings_text, reference
from tests.reference import ROOT

pytestmark = pytest.mark.one_backend


def test_every_public_name_is_in_the_reference():
    text = "\n".join(reference.pages().values())
    shown = set(re.findall(r"^::: (\S+)|^`([\w.]+)` is", text, re.M))
    shown = {path or other for path, other in shown}
    assert not set(reference.public_names(reference.public_modules())) - shown


def test_every_directive_names_something():
    for path in re.findall(r"^::: (\S+)", "\n".join(reference.pages().values()), re.M):
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name), path


def test_no_class_or_function_stands_twice():
    found = re.findall(r"^::: (\S+)", "\n".join(reference.pages().values()), re.M)
    assert len(found) == len(set(found))


def test_every_package_is_public_or_known_not_to_be():
    """A new part of the library gets a page, or is named here."""
    inside = {"backend", "checks", "cli", "default_backend", "files", "head_loss", "random"}
    inside |= {"figures", "saving", "version", "weights_file"}
    parts = {path.stem for path in (ROOT / "md4keras").glob("*") if path.suffix in ("", ".py")}
    public = {name.split(".")[1] for name in reference.public_modules() if "." in name}
    assert parts - {"__init__", "__pycache__"} == public | inside


def test_a_public_module_without_a_page_is_an_error(monkeypatch):
    monkeypatch.setattr(reference, "PAGES", reference.PAGES[:-1])
    with pytest.raises(ValueError, match="has no page.*md4keras.client"):
        reference.pages()


def test_methods_are_methods_of_the_models():
    models = (md4keras.MD4, md4keras.GenMD4, md4keras.BlockDiffusion)
    assert {name for model in models for name in reference.methods(model)} == set(reference.METHODS)


def test_docstrings_are_put_as_the_site_reads_them():
    text = "Adds.\n\nCall arguments:\n    x: int.\n\nReturns:\n    int: one more.\n\n"
    text += "Example:\n\n>>> 1 + 1\n2\n\nReference: Peano 1889."
    expected = "Adds.\n\nArgs: Call arguments\n    x: int.\n\n**Returns:**\n\nint: one more.\n\n"
    expected += "\nExamples:\n\n    >>> 1 + 1\n    2\n\n\nReference: Peano 1889."
    assert docstrings_text.as_google(text) == expected


def test_every_guide_is_in_the_navigation():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    places = re.findall(r"[\w/]+\.md", yaml.safe_dump(config["nav"]))
    guides = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert guides == set(places) - {"index.md", "changelog.md"}


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None,
    reason='pip install "md4keras[docs]"',
)
def test_the_site_builds(tmp_path):
    names = ("README.md", "CHANGELOG.md", "mkdocs.yml", "docs", "md4keras")
    for name in names:  # a build leaves nothing behind in the checkout
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet"]
    subprocess.run(command, cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": "."})
    page = (tmp_path / "site" / "reference" / "networks.html").read_text(encoding="utf-8")
    assert 'id="md4keras.networks.Transformer"' in page
