"""`md4keras score MODEL ...`: bits per dimension of single texts or images."""

import argparse
import math
from pathlib import Path

import numpy as np

from md4keras import data
from md4keras.cli.evaluate import add_measuring, check_draws
from md4keras.cli.examples import Examples
from md4keras.cli.model import add_model, check_kind, labels, load
from md4keras.cli.reading import read_known, read_own, read_picture
from md4keras.cli.terminal import followed, print_json, printable
from md4keras.cli.text_size import TextSize, per_text, unit
from md4keras.models.likelihood import ScoreState

_EXAMPLE = """\
examples:
  md4keras score pydoc "return a new list" "list new a return"
  md4keras score pydoc --data lines.txt --json
  md4keras score digits three.png eight.png --label 3,8
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "score",
        help="bits per dimension of single texts or images",
        description="An upper bound on the bits that the model needs for a character (or a word "
        "piece, and a character of it) or for a pixel's channel, for each text or image, with its "
        "standard error over the draws of masks. Fewer bits: likelier.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    parser.add_argument("inputs", nargs="*", metavar="TEXT|IMAGE", help="texts, or files of images")
    add_measuring(parser, num_draws=64)
    parser.add_argument(
        "--label", metavar="A,B", help="names or numbers of the images' classes, in turn"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Scores and prints a line for each text or image; returns the exit status."""
    if bool(options.inputs) == (options.data is not None):
        raise ValueError(
            "There is one thing to score. Expected TEXT or IMAGE arguments, or --data PATH. "
            f"Received: {len(options.inputs)} arguments, --data {options.data}. Give one of them."
        )
    check_draws(options)
    model = load(options)
    scored = _score_texts if model.tokenizer is not None else _score_images
    results = scored(model, options)
    if options.json:
        how = {"num_draws": options.num_draws, "seed": options.seed}
        print_json({"model": str(options.model), "dimension": unit(model), **how, "of": results})
    else:
        pieces = any("bits_per_character" in row for row in results)
        print(f"bits per {unit(model)}{', then per character' * pieces}")
        for row in results:
            bits = f"{row['bits_per_dim']:8.4f} +- {row['bits_per_dim_error']:.4f}"
            if pieces:
                bits += (
                    f" {row['bits_per_character']:8.4f} +- {row['bits_per_character_error']:.4f}"
                )
            print(f"{bits}  {printable(row['of'])}")
    return 0


def _score_texts(model, options) -> list[dict]:
    if options.label:
        check_kind(model, "images", "--label", "Leave it out.")
    texts = options.inputs or _lines(options.data)
    (usual,) = model.network.data_shape
    encoded = [
        model.tokenizer.encode(read_known(model, text, options.replace_unknown)) for text in texts
    ]
    # A long text is scored in windows, each on its own; those of one length go together.
    pieces = [
        (text, tokens[start : start + usual])
        for text, tokens in enumerate(encoded)
        for start in range(0, len(tokens), usual)
    ]
    nats, squares = np.zeros(len(texts)), np.zeros(len(texts))
    for length in sorted({len(piece) for _, piece in pieces}):
        rows = [(text, piece) for text, piece in pieces if len(piece) == length]
        numbers = [text for text, _ in rows]
        last = _scored(model, np.stack([piece for _, piece in rows]), None, options)
        np.add.at(nats, numbers, last.nats)
        np.add.at(squares, numbers, last.error**2)
    sizes = [len(tokens) for tokens in encoded]
    rows = _results(texts, nats, np.sqrt(squares), sizes)
    return [
        row | per_text(model, TextSize.of_tokens(model, tokens), row)
        for row, tokens in zip(rows, encoded, strict=True)
    ]


def _score_images(model, options) -> list[dict]:
    if options.data is not None:
        found = read_own(model, options.data, options.replace_unknown)
        tokens, classes, *_ = Examples.together(found.parts())
        names = [f"{options.data}, image {number}" for number in range(len(tokens))]
    else:
        tokens = np.stack([read_picture(model, path) for path in options.inputs])
        names = options.inputs
        classes = labels(model, options.label, len(tokens))
    last = _scored(model, tokens, classes, options)
    return _results(names, last.nats, last.error, [tokens[0].size] * len(tokens))


def _scored(model, tokens, classes, options) -> ScoreState:
    run = model.score_steps(
        tokens, classes, options.num_draws, options.seed, batch_size=options.batch_size
    )
    *_, last = followed(run, f"scoring what has {tokens[0].size} {unit(model)}s")
    return last


def _results(names, nats, errors, sizes) -> list[dict]:
    """A row of JSON values for each, in bits per dimension."""
    to_bits = 1 / (np.array(sizes) * math.log(2))
    rows = zip(names, nats * to_bits, errors * to_bits, nats, sizes, strict=True)
    keys = "of", "bits_per_dim", "bits_per_dim_error", "nats", "dimensions"
    return [
        dict(zip(keys, (n, float(b), float(e), float(x), s), strict=True)) for n, b, e, x, s in rows
    ]


def _lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank."""
    text = data.text_files(path, validation_fraction=None).training
    return [line for line in text.split("\n") if line.strip()]
