"""The notebooks are whole, name what exists, and run from their first cell to their last."""

import ast
import importlib
import json
import re

import pytest

import md4keras
from docs.tools import notebooks, run_notebooks

pytestmark = pytest.mark.one_backend

PATHS = notebooks.PATHS
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_there_are_two():
    assert [path.stem for path in PATHS] == ["first_model", "infill_score_compare"]


@each_notebook
def test_it_is_a_notebook(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    assert book["nbformat"] == 4 and len({cell["id"] for cell in book["cells"]}) > 5
    for cell in book["cells"]:
        assert cell["cell_type"] in ("markdown", "code") and isinstance(cell["source"], list)
        if cell["cell_type"] == "code":
            assert all(each["output_type"] != "error" for each in cell["outputs"])
    assert notebooks.title(path) and path.stat().st_size < 2**20


@each_notebook
def test_nothing_tells_where_it_was_run(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|tmp|Users|work)/", text)


@each_notebook
def test_the_names_exist(path):
    """What a notebook imports of md4keras, and what it takes of that by dots."""
    tree = ast.parse("\n".join(notebooks.code(path)))
    known = {"md4keras": md4keras}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("md4keras"):
            for alias in node.names:
                known[alias.name] = getattr(importlib.import_module(node.module), alias.name)
    chains = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    checked = 0
    for chain in chains:
        first, *rest = chain.split(".")
        if first in known and all(part.isidentifier() for part in rest):
            value = known[first]
            for part in rest:
                value = getattr(value, part)  # an AttributeError names what there is not
            checked += 1
    assert checked > 3


@each_notebook
def test_a_page_shows_it(path):
    page = notebooks.markdown(path)
    assert page.startswith(f"# {notebooks.title(path)}")
    assert page.count("```python") == len(notebooks.code(path))


@pytest.mark.slow
def test_the_first_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = run_notebooks.run(notebooks.code(PATHS[0]))
    assert outputs[-1][0]["text"] == ["True\n"]  # a loaded model draws what the saved one drew
    (held_out,) = (each[0]["text"][0] for each in outputs if "held out:" in str(each))
    assert float(held_out.split()[2]) < 2.44  # the histogram


@pytest.mark.slow
def test_the_second_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = run_notebooks.run(notebooks.code(PATHS[1]))
    assert sum(each["output_type"] == "display_data" for cell in outputs for each in cell) == 5
