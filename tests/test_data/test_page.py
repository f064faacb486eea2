"""The tables of docs/data.md say what happens."""

import re
from pathlib import Path

import pytest

from md4keras import data
from md4keras.data.sources.text_files import _RECORDS
from md4keras.tokenizers import CharacterTokenizer

pytestmark = pytest.mark.one_backend

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", data.SOURCES)
def test_every_source_is_in_the_table(name):
    assert f"| `{name}` |" in PAGE


def test_the_endings_of_records_are_listed():
    listed = set(re.findall(r"`(\.\w+)`", PAGE.split("those of records")[1].split(")")[0]))
    assert listed <= set(_RECORDS) and len(listed) >= 7


def test_what_it_says_of_fitting_is_so():
    assert data.gaps.fit_to_alphabet("acgt", CharacterTokenizer("ACGT")) == "ACGT"
    assert data.gaps.fit_to_alphabet("é ß 42", CharacterTokenizer()) == "e ss four two"
