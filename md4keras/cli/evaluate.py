"""`md4keras evaluate MODEL`: bits per dimension of data, with their error bar."""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from md4keras import data, evaluation
from md4keras.checks import check_whole
from md4keras.cli import evaluation_report
from md4keras.cli.examples import Examples, ExampleStream, Origin
from md4keras.cli.model import add_model, load
from md4keras.cli.reading import read_held_out, read_own
from md4keras.cli.tally import Tally
from md4keras.cli.terminal import followed, print_json, printable
from md4keras.cli.text_size import TextSize, measures, unit

_EXAMPLE = """\
examples:
  md4keras evaluate digits
  md4keras evaluate runs/pydoc/model --data notes.txt --replace-unknown --json
  md4keras evaluate digits --report
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
    parser.add_argument(
        "--timesteps",
        type=timesteps,
        default=evaluation.OWN,
        metavar="T",
        help="the bound of the process of T steps, or of 'continuous' time (default: as trained)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        nargs="?",
        const=evaluation_report.BESIDE,
        metavar="FOLDER",
        help="also write report.json and a page, report.html, to a folder (default: 'report' "
        "beside the model's, or NAME_report); needs matplotlib",
    )
    parser.set_defaults(run=run)


def timesteps(word: str) -> int | str | None:
    """What `likelihood` takes for what stands on the command line."""
    names = {evaluation.OWN: evaluation.OWN, "continuous": None}
    return names[word] if word in names else int(word)


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
    check_draws(options)
    target = evaluation_report.target(options)
    model = load(options)
    replace = options.replace_unknown
    examples = read_held_out(model, options.data, replace)
    if examples is None:
        examples = read_own(model, options.data, replace)
    measured = measure(model, examples, options)
    result = {"model": str(options.model), **measured.result}
    if options.json:
        print_json(result)
    else:
        print(printable(_report(result)))
    if target is not None:
        evaluation_report.write(target, options, model, measured)
    return 0


class Measured(NamedTuple):
    """What a measurement found.

    Attributes:
        result: dict of JSON values: `bits_per_dim` and `nats_per_dim`, of text `perplexity`, with
            what `Estimate.as_dict` says of each, how many examples and dimensions they are of, and
            what `per_text` returns.
        found: a `Nelbo`, with tables if a report was asked for.
        tally: a `Tally` of what was read.
        origin: an `Origin` of the examples.
        counts: dictionary of arrays `[n]`, how many words and such each example has.
    """

    result: dict
    found: evaluation.Nelbo
    tally: Tally
    origin: Origin
    counts: dict


def measure(model, examples: Examples | ExampleStream, options: argparse.Namespace) -> Measured:
    """The bound on examples, per dimension, and what it was measured on."""
    tally = Tally(model)

    def read():
        for part in map(tally.add, examples.parts(options.limit)):
            yield part.entries, part.labels

    how = options.num_draws, options.seed, options.batch_size, options.timesteps
    steps = evaluation.likelihood_steps(model, read(), *how, tables=options.report is not None)

    def progress(state):
        done = f"{state.examples:,} examples, then " if state.examples else ""
        return f"{done}{state.calls} of at most {state.most_calls} network calls"

    *_, last = followed(steps, "measuring", progress)
    found = last.result
    result = {
        "data": examples.name,
        **found.bits_per_dim.as_dict("bits_per_dim"),
        **found.nats_per_dim.as_dict("nats_per_dim"),
        "dimension": unit(model),
        "examples": len(found.sizes),
        "examples_in_all": examples.in_all,
        "dimensions": int(found.sizes.sum()),
        "left_out_at_the_end": examples.left_out,
        "num_draws": options.num_draws,
        "seed": options.seed,
        "timesteps": found.timesteps,
    }
    counts = {}
    if model.tokenizer is not None:
        counts = _counts(model, tally, examples.facts, found.sizes)
        result |= found.perplexity.as_dict("perplexity") | _by(counts, found)
        result |= {"zero_shot": examples.facts} if examples.facts else {}
    return Measured(result, found, tally, examples.origin, counts)


def _counts(model, tally: Tally, facts: dict, sizes) -> dict:
    """How many words, characters and such each example has, `[n]`, by their name.

    Of a zero-shot set the words are those of the published text.
    """
    each = np.concatenate(tally.text_sizes)  # [examples, 3]
    counts = {name: each[:, TextSize._fields.index(name)] for name in measures(model)}
    if facts.get("tokens_per_word"):
        counts["words"] = sizes / facts["tokens_per_word"]
    return {name: count for name, count in counts.items() if count.sum()}


def _by(counts: dict, found: evaluation.Nelbo) -> dict:
    """What a text costs by its own measures, and how many of them there are, in JSON values."""
    result = {}
    for name, count in counts.items():
        result[name] = round(count.sum())
        result |= found.bits_per(count).as_dict(f"bits_per_{name.removesuffix('s')}")
    if "words" in counts:
        result |= found.perplexity_per(counts["words"]).as_dict("perplexity_per_word")
    return result


def _report(result: dict) -> str:
    count = result["examples_in_all"]  # `None` where it takes to read them all
    of_all = f" of {count:,}" if count not in (None, result["examples"]) else ""
    unit = result["dimension"]
    low, high = result["bits_per_dim_interval"]
    lines = [
        f"{result['bits_per_dim']:.4f} +- {result['bits_per_dim_error']:.4f} bits per {unit} "
        f"({result['nats_per_dim']:.4f} +- {result['nats_per_dim_error']:.4f} nats), an upper bound"
    ]
    if "perplexity" in result:
        lines[0] += f"; perplexity {result['perplexity']:.3f}"
    lines.append(
        f"95 % interval {low:.4f} to {high:.4f}; of the error, the draws of masks have "
        f"{result['bits_per_dim_error_of_draws']:.4f}"
    )
    if "bits_per_character" in result:
        bits, error = result["bits_per_character"], result["bits_per_character_error"]
        lines.append(
            f"which is {bits:.4f} +- {error:.4f} bits per character, "
            f"{result['bits_per_byte']:.4f} per byte "
            f"({result['characters'] / result['dimensions']:.2f} characters a token)"
        )
    if result.get("perplexity_per_word"):
        lines.append(
            f"and {result['bits_per_word']:.3f} bits per word, perplexity per word "
            f"{result['perplexity_per_word']:.4g} ({result['words']:,} words)"
        )
    if "zero_shot" in result:
        lines += data.describe_zero_shot(result["zero_shot"])
    steps = f", {result['timesteps']} steps of time" if result["timesteps"] else ""
    lines.append(
        f"on {result['data']}: {result['examples']:,}{of_all} examples of "
        f"{result['dimensions'] // result['examples']:,} {unit}s, {result['num_draws']} draws of "
        f"masks each{steps}, seed {result['seed']}"
    )
    if result["left_out_at_the_end"]:
        lines.append(
            f"(the last {result['left_out_at_the_end']} {unit}s fill no window and are left out)"
        )
    return "\n".join(lines)
