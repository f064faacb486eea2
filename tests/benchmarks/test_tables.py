"""Tables as files: both say the same, and neither is ever half a file."""

import json
import re
import subprocess
import sys

import pytest

from benchmarks.machine import ROOT
from benchmarks.tables import Table, cell, markdown_table

pytestmark = pytest.mark.one_backend

ROWS = [
    {"setting": "a", "seconds": [0.5, 0.25, 1.0], "count": 12345, "fits": True},
    {"setting": "b", "seconds": [2.0], "ratio": 1234.5},
]


@pytest.fixture
def table(tmp_path):
    table = Table("steps", "What it is.", "python -m benchmarks steps", tmp_path / "new")
    for row in ROWS:
        table.add(row)
    return table


def test_both_files_hold_the_same_rows(table):
    content = json.loads((table.folder / "steps.json").read_text(encoding="utf-8"))
    assert content["rows"] == ROWS
    text = (table.folder / "steps.md").read_text(encoding="utf-8")
    assert text == table.markdown()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert "\n".join(lines) == markdown_table(content["rows"])
    assert len(lines) == 2 + len(ROWS)


def test_says_where_numbers_come_from(table):
    content = json.loads((table.folder / "steps.json").read_text(encoding="utf-8"))
    text = (table.folder / "steps.md").read_text(encoding="utf-8")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", content["date"])
    for known in (content["machine"]["processor"], content["versions"]["keras"], content["date"]):
        assert known in text
    assert content["machine"]["memory_gb"] > 0
    assert content["command"] in text and content["description"] in text


def test_files_are_replaced_whole(table, monkeypatch):
    before = {path.name: path.read_text() for path in table.folder.iterdir()}
    assert set(before) == {"steps.json", "steps.md"}  # nothing unfinished is left

    def fails(old, new):
        raise OSError("no space")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match="no space"):
        table.add({"setting": "c"})
    assert {name: (table.folder / name).read_text() for name in before} == before


def test_cells():
    assert cell([0.5, 0.25, 1.0]) == "0.5 (0.25 to 1)"
    assert cell([2.0]) == "2"
    assert (cell(True), cell(None), cell(12345), cell(1234.5)) == ("yes", "", "12,345", "1,234")
    assert markdown_table(ROWS).splitlines()[-1] == "| b | 2 |  |  | 1,234 |"


def test_peak_memory_grows():
    code = "from benchmarks.machine import peak_gb; before = peak_gb(); x = b'1' * 300_000_000; "
    code += "print(before, peak_gb())"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    before, after = map(float, printed.split())
    assert 0.005 < before and 0.25 < after - before < 0.35
