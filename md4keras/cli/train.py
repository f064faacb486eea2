"""`md4keras train NAME`: runs a recipe."""

import argparse
import importlib
import sys

from md4keras.checks import check_name
from md4keras.cli.programs import folder_of, is_installed

RECIPES = {
    "digits": "handwritten digits of 8 x 8 pixels, by class; 13 minutes on two CPU cores",
    "pydoc": "characters of Python's documentation, or of your own text; half an hour",
    "python_docs": "word pieces of all of Python's documentation: the preset `pydoc`; an hour",
    "demo": "small digits and text models, with pictures; ten minutes",
    "text8": "the published setting of text8",
    "openwebtext": "MD4-S on OpenWebText, or on your own documents",
    "openwebtext_medium": "MD4-M, of 24 layers",
    "fineweb_edu": "MD4-S on FineWeb-Edu, packed",
    "cifar10": "the published setting of CIFAR-10, or your own images",
    "imagenet64": "the published setting of ImageNet at 64 x 64, or your own images",
    "imagenet64_best_likelihood": "the one with the best likelihood",
    "genmd4_text8": "GenMD4 on text8",
    "genmd4_openwebtext": "GenMD4-S on OpenWebText",
}
VARIANTS = {  # those that have no file of their own: where they stand
    "genmd4_text8": ("text8", "GENMD4"),
    "openwebtext_medium": ("openwebtext", "MEDIUM"),
    "genmd4_openwebtext": ("openwebtext", "GENMD4"),
    "imagenet64_best_likelihood": ("imagenet64", "BEST_LIKELIHOOD"),
}
_EXAMPLE = """\
recipes (those from text8 on are published settings, for accelerators):
{recipes}

examples:
  md4keras train digits --steps 300
  md4keras train pydoc --data FILE.txt --set network.num_layers=6 optimizer.learning_rate=1e-2
  md4keras train pydoc --init-from MODEL --data pairs.jsonl --set rows=pairs
  md4keras train openwebtext --data FOLDER          # of md4keras data prepare openwebtext
  md4keras train pydoc --help                       # all options of a recipe
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    rows = "\n".join(f"  {name:<27} {what}" for name, what in RECIPES.items())
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
    package = _package()
    file, recipe = VARIANTS.get(options.name, (options.name, "RECIPE"))
    module = importlib.import_module(f"{package}.{file}")
    if options.name == "demo":
        module.main(options.arguments, prog)
    else:
        loop = importlib.import_module(f"{package}.loop")
        loop.main(getattr(module, recipe), options.arguments, prog)
    return 0


def _package() -> str:
    """The package of the recipes, which can then be imported."""
    if is_installed("train"):
        return "md4keras.train"
    checkout = str(folder_of("train").parent)
    if checkout not in sys.path:
        sys.path.insert(0, checkout)
    return "train"
