"""`md4keras evaluate MODEL`: bits per dimension of data, with their error bar."""

import argparse
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from md4keras.checks import check_whole
from md4keras.cli.examples import Examples, ExampleStream
from md4keras.cli.model import add_model, load
from md4keras.cli.reading import read_held_out, read_own
from md4keras.cli.terminal import followed, print_json, printable
from md4keras.tokenizers import decode_masked

_EXAMPLE = """\
examples:
  md4keras evaluate runs/demo/digits/model
  md4keras evaluate runs/demo/pydoc/model --data notes.txt --replace-unknown --json
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "evaluate",
        help="bits per dimension of a data set",
        description="An upper bound on the bits that the model needs for a dimension (a pixel's "
        "channel, a character), with its standard error over the examples and the draws of masks. "
        "Without --data, or where these are the data of its training: of their validation split.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    add_measuring(parser, num_draws=16)
    parser.add_argument("--limit", type=int, metavar="N", help="the first N examples alone")
    parser.set_defaults(run=run)


def add_measuring(parser: argparse.ArgumentParser, num_draws: int) -> None:
    """Adds the options that say what is measured, and how exactly."""
    add = parser.add_argument
    add("--data", type=Path, metavar="PATH", help="a text file or folder, or a folder of images")
    add(
        "--replace-unknown",
        action="store_true",
        help="text: write what the model knows for characters that it does not know",
    )
    add(
        "--num-draws",
        type=int,
        default=num_draws,
        metavar="N",
        help=f"of masks for each example (default: {num_draws})",
    )
    add("--batch-size", type=int, default=64, metavar="N", help="rows a network call (default: 64)")
    add("--seed", type=int, default=0, metavar="N", help="of the masks (default: 0)")


def check_draws(options: argparse.Namespace) -> None:
    """Raises a `ValueError` if so many draws have no standard error."""
    check_whole("num_draws", options.num_draws, 2, mend="A standard error needs two draws.")


def run(options: argparse.Namespace) -> int:
    """Measures and prints; returns the exit status."""
    if options.limit is not None:
        check_whole("limit", options.limit, mend="Leave it out for all examples.")
    model = load(options)
    replace = options.replace_unknown
    examples = read_held_out(model, options.data, replace)
    if examples is None:
        examples = read_own(model, options.data, replace)
    result = {"model": str(options.model), **measure(model, examples, options)}
    if options.json:
        print_json(result)
    else:
        print(printable(_report(result)))
    return 0


def measure(model, examples: Examples | ExampleStream, options: argparse.Namespace) -> dict:
    """The bound on examples, per dimension, and what it was measured on.

    Returns:
        dict of JSON values: `bits_per_dim`, `nats_per_dim` and their `..._error`, `perplexity` of
        text, how many examples and dimensions they are of, and with word pieces what `per_text`
        returns.
    """
    check_draws(options)
    nats, errors, sizes, text = [], [], [], TextSize(0, 0)  # of the parts so far, and of all text
    runs = _runs(model, examples, options)
    first = next(runs)  # its mistakes are told before anything else is said

    def states():
        nonlocal text
        for part, run in itertools.chain([first], runs):
            state = None
            for state in run:
                yield state
            nats.append(state.nats)
            errors.append(state.error)
            sizes.append(part.scored.reshape(len(part.tokens), -1).sum(1))  # [examples]
            if model.tokenizer is not None:
                text += TextSize.of(model, part.tokens[part.scored])

    def progress(state):
        done = f"{sum(map(len, nats)):,} examples, then " if nats else ""
        return f"{done}{state.calls} of at most {state.most_calls} network calls"

    for _ in followed(states(), "measuring", progress):
        pass
    nats, errors, sizes = map(np.concatenate, (nats, errors, sizes))
    nats, error = mean_and_error(nats, errors, sizes)
    result = {
        "data": examples.name,
        "bits_per_dim": nats / math.log(2),
        "bits_per_dim_error": error / math.log(2),
        "nats_per_dim": nats,
        "nats_per_dim_error": error,
        "dimension": unit(model),
        "examples": len(sizes),
        "examples_in_all": examples.in_all,
        "dimensions": int(sizes.sum()),
        "left_out_at_the_end": examples.left_out,
        "num_draws": options.num_draws,
        "seed": options.seed,
    }
    if model.tokenizer is None:
        return result
    return result | {"perplexity": math.exp(nats)} | per_text(model, text, result)


def _runs(model, examples, options) -> Iterator[tuple[Examples, Iterator]]:
    """Each part of the examples, with its scoring."""
    first = 0
    for part in examples.parts(options.limit):
        how = options.num_draws, options.seed, None, options.batch_size, first
        yield part, model.score_steps(part.entries, part.labels, *how)
        first += len(part.tokens)


class TextSize(NamedTuple):
    """How long a text is: its characters, and its bytes in UTF-8."""

    characters: int
    bytes: int

    @classmethod
    def of(cls, model, tokens) -> "TextSize":
        """That of the text for which a model's tokens (int `[n]`) stand, ends and padding apart."""
        special = (getattr(model.tokenizer, name, None) for name in ("end_token_id", "padding_id"))
        special = [each for each in special if each is not None]
        text = decode_masked(model.tokenizer, tokens[~np.isin(tokens, special)])
        return cls(len(text), len(text.encode()))

    def __add__(self, other):
        return TextSize(self.characters + other.characters, self.bytes + other.bytes)


def per_text(model, size: TextSize, result: dict) -> dict:
    """What a token of several characters costs by the text's own measures; nothing for others.

    Args:
        model: whose tokenizer it is.
        size: of the text that the tokens stand for.
        result: dict with `bits_per_dim`, `bits_per_dim_error` and `dimensions`.

    Returns:
        dict of `characters`, `bytes` (in UTF-8), and the bits for one of them.
    """
    if unit(model) != "token" or not size.characters:
        return {}
    found = size._asdict()
    for name, count in size._asdict().items():
        for figure in ("bits_per_dim", "bits_per_dim_error"):
            key = figure.replace("dim", name.removesuffix("s"))
            found[key] = result[figure] * result["dimensions"] / count
    return found


def mean_and_error(values: np.ndarray, errors: np.ndarray, sizes) -> tuple[float, float]:
    """What a dimension costs, over examples of these sizes, and its standard error.

    The spread of the examples holds that of the draws. A single example has that of its draws.

    Args:
        values, errors: float `[n]`, each example's value, and its standard error over the draws.
        sizes: int `[n]`, the dimensions of each.

    Raises:
        ValueError: if a value is not finite: a mean of the others would say nothing.

    >>> mean_and_error(np.array([2.0, 6.0]), np.array([0.2, 0.2]), np.array([2, 2]))
    (2.0, 1.0)
    """
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ValueError(
            f"The bound of {bad} of {len(values)} examples is not finite, so there is no mean. "
            "Expected numbers. Received: inf or nan. Train the model at a smaller learning rate."
        )
    count, mean = len(values), values.sum() / sizes.sum()
    spread = (values - mean * sizes).std(ddof=1) / math.sqrt(count) if count > 1 else errors[0]
    return float(mean), float(spread / sizes.mean())


def unit(model) -> str:
    """What a dimension is: of text a character, a byte or a token."""
    if model.tokenizer is None:
        return "dimension"
    return getattr(model.tokenizer, "unit", "token")


def _report(result: dict) -> str:
    count = result["examples_in_all"]  # `None` where it takes to read them all
    of_all = f" of {count:,}" if count not in (None, result["examples"]) else ""
    unit = result["dimension"]
    lines = [
        f"{result['bits_per_dim']:.4f} +- {result['bits_per_dim_error']:.4f} bits per {unit} "
        f"({result['nats_per_dim']:.4f} +- {result['nats_per_dim_error']:.4f} nats), an upper bound"
    ]
    if "perplexity" in result:
        lines[0] += f"; perplexity {result['perplexity']:.3f}"
    if "bits_per_character" in result:
        bits, error = result["bits_per_character"], result["bits_per_character_error"]
        lines.append(
            f"which is {bits:.4f} +- {error:.4f} bits per character, "
            f"{result['bits_per_byte']:.4f} per byte "
            f"({result['characters'] / result['dimensions']:.2f} characters a token)"
        )
    lines.append(
        f"on {result['data']}: {result['examples']:,}{of_all} examples of "
        f"{result['dimensions'] // result['examples']:,} {unit}s, {result['num_draws']} draws of "
        "masks each"
    )
    if result["left_out_at_the_end"]:
        lines.append(
            f"(the last {result['left_out_at_the_end']} {unit}s fill no window and are left out)"
        )
    return "\n".join(lines)
