"""The command `md4keras`: each verb is a file here, named in `VERBS`."""

import argparse
import importlib
import os
import sys

from md4keras.cli.terminal import printable
from md4keras.client import ServingError
from md4keras.export import ExportError

# A verb's file has `add_verb`, which adds its parser and sets `run`, a function of the parsed
# options that returns the exit status.
VERBS = ("train", "evaluate", "generate", "infill", "score", "models", "convert", "export")
VERBS += ("request", "data", "quantize", "app")


class Parser(argparse.ArgumentParser):
    """A parser that tells of a mistake in one line."""

    def error(self, message):
        print(f"error: {printable(message)} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = parse(arguments)
        options.typed = list(arguments)
        status = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as shells count it
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception as error:
        words = str(error)
        if _lacks_memory(error):
            words = "there is not enough memory. Ask for less at once."
        elif not isinstance(error, (ValueError, ImportError, OSError, ExportError, ServingError)):
            raise  # a defect of ours
        print(f"error: {printable(words)}", file=sys.stderr)
        return 2


def make_parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser of these arguments: it knows the verb that they begin with, or else all."""
    parser = Parser(
        prog="md4keras",
        description="Masked discrete diffusion of text and images: trains models, measures them, "
        "draws from them, serves them.",
        epilog="`md4keras VERB --help` explains a verb, with an example. KERAS_BACKEND chooses "
        "jax (the default), tensorflow or torch.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    asked = [verb for verb in VERBS if arguments[:1] == [verb]]
    for verb in asked or VERBS:
        importlib.import_module(f"md4keras.cli.{verb}").add_verb(verbs)
    return parser


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parses arguments; a verb's `inputs` may stand before, between and after options.

    argparse itself takes a verb's list of arguments from one place, which may be empty.
    """
    parser = make_parser(arguments)
    options, rest = parser.parse_known_args(arguments)
    if rest and (not hasattr(options, "inputs") or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.inputs += rest
    return options


def _lacks_memory(error: Exception) -> bool:
    """Whether it is Python's error, or those of JAX, TensorFlow and PyTorch for the same."""
    words = "RESOURCE_EXHAUSTED", "ResourceExhausted", "OutOfMemory", "not enough memory"
    return isinstance(error, MemoryError) or any(word in repr(error) for word in words)
