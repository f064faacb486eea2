"""`md4keras data ...`: makes what models are trained on; each sub-command is a file beside."""

import argparse
import importlib

# Each is a file `data_<command>.py`; it has `add_command`, as a verb has `add_verb`.
COMMANDS = ("prepare", "tokenizer")

_EXAMPLE = """\
examples:
  md4keras data tokenizer texts --vocabulary-size 8192
  md4keras data prepare openwebtext --out data/openwebtext
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "data",
        help="make what models are trained on",
        description="Makes what models are trained on. `md4keras data COMMAND --help` explains a "
        "command.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"md4keras.cli.data_{name}").add_command(commands)
