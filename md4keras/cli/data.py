"""`md4keras data ...`: prepares data to train on."""

import argparse

from md4keras.cli import data_prepare

_EXAMPLE = """\
example:
  md4keras data prepare openwebtext --out data/openwebtext
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "data",
        help="prepare data to train on",
        description="Prepares data to train on.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(dest="part", required=True, metavar="WHAT")
    data_prepare.add_verb(parts)
