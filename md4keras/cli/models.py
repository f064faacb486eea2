"""`md4keras models [FOLDER]`: lists the saved models below a folder."""

import argparse
from pathlib import Path

from md4keras.catalog import ModelFolder, model_folders
from md4keras.cli.terminal import print_json, printable, say

_EXAMPLE = """\
example:
  md4keras models runs
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "models",
        help="list the saved models below a folder",
        description="Lists the saved models below a folder, and why one does not load.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("runs"), help="where to look (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the list; returns the exit status."""
    if not options.folder.is_dir():
        raise ValueError(
            f"There is no such folder. Received: '{options.folder}'. Name a folder with models, "
            "or train one: md4keras train digits."
        )
    found = model_folders(options.folder)
    if options.json:
        print_json([_described(model) for model in found])
        return 0
    if not found:
        say(f"no models below '{options.folder}'; md4keras train digits makes one")
    for model in found:
        print(printable(_line(model)))
    return 0


def _line(model: ModelFolder) -> str:
    if model.problem:
        return f"{model.folder}\n  does not load: {model.problem}"
    shape = " x ".join(map(str, model.data_shape))
    return f"{model.folder}\n  {model.title}; {_samples(model)} of {shape}"


def _samples(model: ModelFolder) -> str:
    return "text" if model.has_tokenizer else "images" if model.is_image else "tokens"


def _described(model: ModelFolder) -> dict:
    """A model in JSON values."""
    return {
        "folder": str(model.folder),
        "title": model.title,
        "problem": model.problem,
        "kind": model.kind,
        "network": model.network,
        "samples": None if model.problem else _samples(model),
        "data_shape": list(model.data_shape),
        "classes": model.num_classes,
        "parameters": model.parameters,
        "bits_per_dim": model.bits_per_dim,
    }
