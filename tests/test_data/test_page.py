"""The examples of docs/data.md run, and its tables say what happens."""

import re
from pathlib import Path

import pytest

from md4keras import data
from md4keras.data.sources.text_files import _RECORDS
from md4keras.tokenizers import CharacterTokenizer

pytestmark = pytest.mark.one_backend

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_examples_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    few_steps = [block.replace("steps_per_epoch=500", "steps_per_epoch=2") for block in blocks]
    assert len(blocks) == 2 and few_steps != blocks
    names = {}
    for block in few_steps:
        exec(block, names)
    assert "Read pydoc: 386,903 characters." in capsys.readouterr().out
    assert names["model"].optimizer.iterations == 2


@pytest.mark.parametrize("name", data.SOURCES)
def test_every_source_is_in_the_table(name):
    assert f"| `{name}` |" in PAGE


def test_the_endings_of_records_are_listed():
    listed = set(re.findall(r"`(\.\w+)`", PAGE.split("those of records")[1].split(")")[0]))
    assert listed <= set(_RECORDS) and len(listed) >= 7


def test_what_it_says_of_fitting_is_so():
    assert data.gaps.fit_to_alphabet("acgt", CharacterTokenizer("ACGT")) == "ACGT"
    assert data.gaps.fit_to_alphabet("é ß 42", CharacterTokenizer()) == "e ss four two"
