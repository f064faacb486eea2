"""`md4keras quantize MODEL OUT`: a saved model in 8 or 4 bits, and what that costs."""

import argparse
import re
from pathlib import Path

from md4keras import checkpoints, evaluation, presets
from md4keras.checks import check_whole
from md4keras.cli.model import add_model
from md4keras.cli.reading import read_held_out
from md4keras.cli.terminal import print_json, printable, say

_EXAMPLE = """\
examples:
  md4keras quantize digits digits_int8
  md4keras quantize pydoc small --mode int4 --keep ^head --measure 64
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "quantize",
        help="write a model whose weights have 8 or 4 bits",
        description="Writes the model with its weights rounded to 8 or 4 bits, and tells its size "
        "and the largest difference of logits on random masks.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder of the new model")
    add("--mode", choices=("int8", "int4"), default="int8", help="default: int8")
    add("--keep", metavar="REGEX", help="layers, by their path, whose weights stay as they are")
    add(
        "--measure",
        type=int,
        metavar="N",
        help="also bits per dimension of N held-out examples of the model's training, before and "
        "after, with the same masks",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Quantizes, saves and tells; returns the exit status."""
    if options.measure is not None:
        check_whole("measure", options.measure, 2, mend="An error bar needs two examples.")
    kept = _pattern(options.keep)
    checkpoints.check_output_folder(options.out)
    source = presets.find(options.model)
    size = evaluation.weights.bytes_on_disk(source)  # OUT may be the same folder
    before, model = (checkpoints.load_model(source) for _ in range(2))
    examples = read_held_out(model, None, False) if options.measure else None
    model.quantize(options.mode, filters=kept and f"^(?!.*(?:{kept}))")
    folder = checkpoints.save_model(model, options.out)
    result = {
        "model": str(folder),
        "mode": options.mode,
        "bytes_before": size,
        "bytes": evaluation.weights.bytes_on_disk(folder),
        "logits_difference": evaluation.weights.largest_difference(before, model),
    }
    if examples is not None:
        say(f"measuring {examples.name} twice ...")
        found = _measured(before, model, examples, options.measure)
        for name, part in (("before", found.before), ("after", found.after)):
            result |= part.bits_per_dim.as_dict(f"bits_per_dim_{name}")
        result |= found.bits_per_dim.as_dict("bits_per_dim_more")
    if options.json:
        print_json(result)
    else:
        print(printable(_report(result)))
    return 0


def _pattern(regex: str | None) -> str | None:
    try:
        re.compile(regex or "")
    except re.error as error:
        raise ValueError(
            f"--keep is no regular expression ({error}). Expected one that layers' paths are "
            f"searched for. Received: --keep {regex}. The last layer, for instance: --keep ^head."
        ) from error
    return regex


def _measured(before, model, examples, count: int):
    part = next(examples.parts(count))
    data = part.entries if part.labels is None else (part.entries, part.labels)
    return evaluation.paired_likelihood(before, model, data)


def _report(result: dict) -> str:
    size, before = result["bytes"], result["bytes_before"]
    lines = [
        f"Saved in {result['model']}: {size:,} bytes, where there were {before:,}.",
        f"The logits differ by at most {result['logits_difference']:.3g}.",
    ]
    if "bits_per_dim_before" in result:
        more, error = result["bits_per_dim_more"], result["bits_per_dim_more_error"]
        lines.append(
            f"Bits per dimension: {result['bits_per_dim_before']:.4f} before, "
            f"{result['bits_per_dim_after']:.4f} after: {more:+.4f} +- {error:.4f}."
        )
    return "\n".join(lines)
