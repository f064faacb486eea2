"""`md4keras export MODEL OUT`: a saved model becomes a SavedModel, or a file for other runtimes."""

import argparse
import signal
import sys
from pathlib import Path

from md4keras.cli.terminal import print_json
from md4keras.export import (
    FORMATS,
    SIGNATURES,
    Limits,
    export_denoiser,
    export_native,
    export_saved_model,
)

_EXAMPLE = """\
examples:
  md4keras export digits served/digits       # writes served/digits/1/
  md4keras export digits digits.onnx --format onnx
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "export",
        help="write a SavedModel for TensorFlow Serving, or a file for another runtime",
        description="Writes OUT/1/ (or the next number): a SavedModel for TensorFlow Serving, "
        "from a model that was trained on any backend. With --format: the network alone, as the "
        "file OUT.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="folder of a saved model, name of a preset, or handle"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the server's folder of this model")
    parser.add_argument(
        "--sampler",
        default="ancestral",
        metavar="NAME",
        help="ancestral, confidence, remasking, ... (default: ancestral)",
    )
    for field, of_what in (
        ("num_samples", "samples or rows of a request"),
        ("num_steps", "steps of the reverse process"),
        ("length", "tokens of a text"),
        ("num_draws", "draws of masks of a score"),
    ):
        default = getattr(Limits(), field)
        parser.add_argument(
            f"--max-{field.removeprefix('num_')}",
            dest=field,
            type=int,
            default=default,
            metavar="N",
            help=f"most {of_what} (default: {default or 'the training length'})",
        )
    parser.add_argument(
        "--signatures",
        metavar="A,B",
        help=f"some of {', '.join(SIGNATURES)} (default: all that the model has)",
    )
    parser.add_argument(
        "--version", type=int, metavar="N", help="the folder's number (default: the next one)"
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--format", choices=FORMATS, help="the network alone, for another runtime")
    other.add_argument(
        "--native",
        action="store_true",
        help="the network alone as JAX compiles it: serving_default without checks or limits",
    )
    parser.add_argument(
        "--json", action="store_true", help="print what was written as JSON, and no progress"
    )
    parser.add_argument("--quiet", action="store_true", help="print no progress")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exports; returns the exit status."""
    # A polite kill is an error like others, after which nothing is left behind.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        out = _export(options, options.model, options.out, not (options.quiet or options.json))
    finally:
        signal.signal(signal.SIGTERM, before)
    if options.json:
        form = options.format or ("native" if options.native else "saved_model")
        print_json({"model": str(options.model), "format": form, "out": str(out)})
    return 0


def _export(options: argparse.Namespace, model: str, out: Path, verbose: bool) -> Path:
    if options.format:
        return export_denoiser(model, out, options.format, verbose)
    if options.native:
        return export_native(model, out, options.version, verbose)
    limits = Limits(options.num_samples, options.num_steps, options.length, options.num_draws)
    names = options.signatures.split(",") if options.signatures else None
    return export_saved_model(model, out, options.sampler, limits, names, options.version, verbose)
