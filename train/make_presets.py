"""Maker of the presets that ship, from the runs of their recipes: `python -m train.make_presets`.

    md4keras train digits                 # to runs/digits
    md4keras train python_docs            # to runs/python_docs
    python -m train.make_presets          # to md4keras/presets/shipped, with reports and cards

Weights are rounded to float16 on disk; the reports measure the rounded ones.
"""

import argparse
import os
from pathlib import Path

import md4keras
from md4keras import cli
from md4keras.evaluation.report import read_report, report_folder

RUNS = {"digits": "digits", "pydoc": "python_docs"}
"""The presets, and the recipes whose runs they come from."""


def main(arguments: list[str] | None = None) -> None:
    """Writes each preset, its report and its card."""
    parser = argparse.ArgumentParser(prog="python -m train.make_presets", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the recipes ran")
    parser.add_argument("--out", type=Path, default=md4keras.presets.SHIPPED)
    options = parser.parse_args(arguments)
    for name, recipe in RUNS.items():
        make(options.runs / recipe / "model", options.out / name)


def make(run: Path, folder: Path) -> None:
    """One preset, from the model that a run saved."""
    md4keras.save_model(md4keras.load_model(run), folder, dtype="float16")
    if status := cli.main(["evaluate", os.path.relpath(folder), "--report"]):
        raise SystemExit(status)
    report = report_folder(folder)
    (report / "report.html").unlink()  # drawn anew from the figures: md4keras evaluate --report
    md4keras.checkpoints.write_card(folder, read_report(report), license="apache-2.0")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
