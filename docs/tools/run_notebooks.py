"""Runs notebooks without Jupyter, and keeps in them what they print and draw.

    python -m docs.tools.run_notebooks [first_model ...]

Each begins with fresh names, in a folder of its own. Pictures are those of `plt.show()`.
"""

import base64
import contextlib
import io
import json
import os
import sys
import tempfile

import matplotlib

from docs.tools import notebooks

_DPI = 80


def run(programs: list[str], name: str = "notebook") -> list[list[dict]]:
    """Runs the cells of a notebook one after another.

    Args:
        programs: of the cells, as `notebooks.code` returns them.
        name: str, what error messages call them.

    Returns:
        The outputs of each cell, as notebooks hold them: what was printed, then the pictures.
    """
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names, outputs = {"__name__": "__main__"}, []
    for number, program in enumerate(programs):
        printed, drawn = io.StringIO(), []
        plt.show = lambda drawn=drawn: drawn.append(_picture(plt))
        with contextlib.redirect_stdout(printed):
            exec(compile(program, f"{name}, cell {number}", "exec"), names)
        plt.close("all")
        outputs.append(_printed(printed.getvalue()) + drawn)
    return outputs


def _picture(plt) -> dict:
    """The figure in work, as an output; it is finished then."""
    stream = io.BytesIO()
    plt.savefig(stream, format="png", dpi=_DPI, bbox_inches="tight")
    plt.close()
    data = {"image/png": base64.b64encode(stream.getvalue()).decode()}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _printed(text: str) -> list[dict]:
    lines = text.splitlines(keepends=True)
    return [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []


def main() -> None:
    """Runs the notebooks that are named, or all, and writes their outputs into them."""
    asked = sys.argv[1:]
    for path in notebooks.PATHS:
        if asked and path.stem not in asked:
            continue
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            outputs = iter(run(notebooks.code(path), path.name))
        book = json.loads(path.read_text(encoding="utf-8"))
        for cell in book["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = next(outputs)
        path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{path.name}: {os.path.getsize(path):,} bytes")


if __name__ == "__main__":
    main()
