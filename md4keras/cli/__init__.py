"""The command `md4keras`: each verb is a file here, and is registered in `VERBS`."""

import argparse
import sys

from md4keras.cli import app, export, request, train
from md4keras.cli.terminal import printable
from md4keras.client import ServingError
from md4keras.export import ExportError

# A verb is a function that adds its parser and sets `run`, which takes the parsed options and
# returns the exit status.
VERBS = (train.add_verb, app.add_verb, export.add_verb, request.add_verb)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="md4keras",
        description="Masked discrete diffusion: the app, exports, and models that are served.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for add_verb in VERBS:
        add_verb(verbs)
    options = _parse(parser, arguments)
    try:
        return options.run(options)
    except (ValueError, ImportError, OSError, ServingError, ExportError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # as shells count it


def _parse(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """Parses arguments; `name=value` may stand before, between and after options.

    argparse itself takes a verb's list of arguments from one place, which may be empty.
    """
    options, rest = parser.parse_known_args(arguments)
    if rest and (not hasattr(options, "inputs") or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.inputs += rest
    return options
