"""`md4keras models [FOLDER]`: lists the presets that ship, or the saved models below a folder."""

import argparse
from pathlib import Path

from md4keras import presets
from md4keras.catalog import ModelFolder, model_folders
from md4keras.cli.terminal import print_json, printable, say

_OWN = Path("runs")
_EXAMPLE = """\
examples:
  md4keras models         # the presets that ship with md4keras, and what is in `runs`
  md4keras models FOLDER  # what is in that folder
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "models",
        help="list the presets that ship, and the saved models below a folder",
        description="Lists the presets that ship and the saved models below a folder, and why one "
        "does not load.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", help="where to look (default: the presets, and runs)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the list; returns the exit status."""
    folder = options.folder
    if folder is not None and not folder.is_dir():
        raise ValueError(
            f"There is no such folder. Received: '{folder}'. Name a folder with models, "
            "or train one: md4keras train digits."
        )
    found = [(model.folder, model) for model in model_folders(_OWN if folder is None else folder)]
    if folder is None:
        found = [(model.name, model) for model in model_folders(presets.SHIPPED)] + found
    if options.json:
        print_json([_described(name, model) for name, model in found])
        return 0
    if not found:
        say(f"no models below '{folder or _OWN}'; md4keras train digits makes one")
    for name, model in found:
        print(printable(_line(name, model)))
    return 0


def _line(name, model: ModelFolder) -> str:
    """A model by the name that all commands know it by, and what it is."""
    if model.problem:
        return f"{name}\n  does not load: {model.problem}"
    shape = " x ".join(map(str, model.data_shape))
    return f"{name}\n  {model.title}; {_samples(model)} of {shape}"


def _samples(model: ModelFolder) -> str:
    return "text" if model.has_tokenizer else "images" if model.is_image else "tokens"


def _described(name, model: ModelFolder) -> dict:
    """A model in JSON values."""
    return {
        "name": str(name),
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
