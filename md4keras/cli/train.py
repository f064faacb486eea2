"""`md4keras train NAME`: runs a recipe."""

import argparse
import importlib
import sys
from pathlib import Path

from md4keras.checks import check_name

RECIPES = {
    "digits": "handwritten digits of 8 x 8 pixels, by class; 13 minutes on two CPU cores",
    "pydoc": "characters of Python's documentation, or of your own text; half an hour",
    "text8": "the published setting of text8; for accelerators",
    "cifar10": "the published setting of CIFAR-10, or your own images; for accelerators",
    "demo": "small digits and text models, with pictures; ten minutes",
}
_EXAMPLE = """\
recipes:
{recipes}

examples:
  md4keras train digits --steps 300
  md4keras train pydoc --data FILE.txt --set network.num_layers=6 optimizer.learning_rate=1e-2
  md4keras train pydoc --help                       # all options of a recipe
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    rows = "\n".join(f"  {name:<9} {what}" for name, what in RECIPES.items())
    parser = verbs.add_parser(
        "train",
        help="train a model by a recipe, on its data or your own",
        description="Trains a model by a recipe, from which --set and --data depart.",
        epilog=_EXAMPLE.format(recipes=rows),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="the recipe; see below")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="...", help="options of the recipe"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Trains; returns the exit status."""
    check_name("NAME", options.name, RECIPES, "`md4keras train --help` says what they are.")
    prog = f"md4keras train {options.name}"
    module = importlib.import_module(f"{_package()}.{options.name}")
    if options.name == "demo":
        module.main(options.arguments, prog)
    else:
        importlib.import_module(f"{_package()}.loop").main(module.RECIPE, options.arguments, prog)
    return 0


def _package() -> str:
    """The recipes: in this package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    if (package / "train").is_dir():
        return "md4keras.train"
    if str(package.parent) not in sys.path:
        sys.path.insert(0, str(package.parent))
    return "train"
