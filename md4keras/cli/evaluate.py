"""`md4keras evaluate MODEL`: bits per dimension of data, with their error bar."""

import argparse
import math
from pathlib import Path

import numpy as np

from md4keras.checks import check_whole
from md4keras.cli.examples import Examples
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
    limit = options.limit
    examples = read_held_out(model, options.data, replace, limit)
    if examples is None:
        examples = read_own(model, options.data, replace, limit)
    result = {"model": str(options.model), **measure(model, examples, options)}
    if options.json:
        print_json(result)
    else:
        print(printable(_report(result)))
    return 0


def measure(model, examples: Examples, options: argparse.Namespace) -> dict:
    """The bound on examples, per dimension, and what it was measured on.

    Returns:
        dict of JSON values: `bits_per_dim`, `nats_per_dim` and their `..._error`, `perplexity` of
        text, how many examples and dimensions they are of, and with word pieces what `per_text`
        returns.
    """
    check_draws(options)
    some = examples.first(options.limit)
    tokens, scored = some.tokens, some.scored
    run = model.score_steps(
        some.entries, some.labels, options.num_draws, options.seed, batch_size=options.batch_size
    )
    *_, last = followed(run, "measuring")
    sizes = scored.reshape(len(scored), -1).sum(1)  # [examples]
    nats, error = mean_and_error(last.nats, last.error, sizes)
    result = {
        "data": examples.name,
        "bits_per_dim": nats / math.log(2),
        "bits_per_dim_error": error / math.log(2),
        "nats_per_dim": nats,
        "nats_per_dim_error": error,
        "dimension": unit(model),
        "examples": len(tokens),
        "examples_in_all": len(examples.tokens),
        "dimensions": int(sizes.sum()),
        "left_out_at_the_end": examples.left_out,
        "num_draws": options.num_draws,
        "seed": options.seed,
    }
    if model.tokenizer is None:
        return result
    text = _text_of(model.tokenizer, tokens[scored])
    return result | {"perplexity": math.exp(nats)} | per_text(model, text, result)


def _text_of(tokenizer, ids) -> str:
    """The text of all documents that ids `[length]` hold, without their ends and padding."""
    special = [getattr(tokenizer, name, None) for name in ("end_token_id", "padding_id")]
    special = [each for each in special if each is not None]
    return decode_masked(tokenizer, ids[~np.isin(ids, special)])


def per_text(model, text: str, result: dict) -> dict:
    """What a token of several characters costs by the text's own measures; nothing for others.

    Args:
        model: whose tokenizer it is.
        text: str, what the tokens stand for.
        result: dict with `bits_per_dim`, `bits_per_dim_error` and `dimensions`.

    Returns:
        dict of `characters`, `bytes` (in UTF-8), and the bits for one of them.
    """
    if unit(model) != "token" or not text:
        return {}
    tokens, sizes = result["dimensions"], {"character": len(text), "byte": len(text.encode())}
    found = {f"{name}s": size for name, size in sizes.items()}
    for name, size in sizes.items():
        found[f"bits_per_{name}"] = result["bits_per_dim"] * tokens / size
        found[f"bits_per_{name}_error"] = result["bits_per_dim_error"] * tokens / size
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
    some = result["examples"] < result["examples_in_all"]
    of_all = f" of {result['examples_in_all']:,}" if some else ""
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
