"""Notebooks as pages: their text, their programs and what these printed and drew."""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))


def cells(path: Path) -> list[dict]:
    """The cells of a notebook, in order."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def code(path: Path) -> list[str]:
    """The programs of a notebook, cell by cell."""
    return ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code"]


def title(path: Path) -> str:
    """The heading that a notebook begins with."""
    return "".join(cells(path)[0]["source"]).splitlines()[0].removeprefix("# ")


def markdown(path: Path) -> str:
    """A notebook as a page in Markdown; pictures stand in it as data."""
    parts = []
    for cell in cells(path):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            parts += [_output(output) for output in cell["outputs"]]
    return "\n\n".join(part for part in parts if part) + "\n"


def _output(output: dict) -> str:
    data = output.get("data", {})
    for kind in ("image/png", "image/gif"):
        if kind in data:
            content = "".join(data[kind]).replace("\n", "")
            return f'<img alt="" src="data:{kind};base64,{content}">'
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""
