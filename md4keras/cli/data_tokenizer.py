"""`md4keras data tokenizer PATH`: trains word pieces on a text file or a folder."""

import argparse
from pathlib import Path

from md4keras import data
from md4keras.cli.results import check_out
from md4keras.cli.terminal import print_json, printable, say
from md4keras.tokenizers import END_TOKEN, BytePairTokenizer

_EXAMPLE = """\
example:
  md4keras data tokenizer texts --vocabulary-size 8192 --out tokenizer.json
  md4keras train pydoc --data texts --set tokenizer=tokenizer.json
"""


def add_command(commands) -> None:
    """Adds the command to the parser's commands."""
    parser = commands.add_parser(
        "tokenizer",
        help="train word pieces on your text",
        description="Joins the byte pairs that are most frequent in a text, time after time, into "
        "the pieces of a vocabulary. The same text gives the same pieces. What training of a model "
        "holds out is held out here too, and tells how long a piece is on average.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="a text file, or a folder of .txt files")
    add(
        "--vocabulary-size",
        type=int,
        default=8192,
        metavar="N",
        help="pieces and special tokens together (default: 8192)",
    )
    add(
        "--special-tokens",
        nargs="*",
        default=[END_TOKEN],
        metavar="NAME",
        help=f"names of tokens that no text is encoded to (default: {END_TOKEN})",
    )
    add(
        "--out",
        type=Path,
        default=Path("tokenizer.json"),
        metavar="FILE",
        help="where to write it (default: tokenizer.json)",
    )
    add("--skip-bad", action="store_true", help="leave out files that are no text")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Trains, writes the file whole, and prints what it is; returns the exit status."""
    check_out(options.out, (".json",))
    splits = data.text_files(options.path, skip_bad=options.skip_bad)
    for line in splits.describe():
        say(line)
    say(f"joining pairs of {len(splits.training):,} characters ...")
    tokenizer = BytePairTokenizer.train(
        [splits.training], options.vocabulary_size, options.special_tokens
    )
    held_out, tokens = splits.validation, len(tokenizer.encode(splits.validation))
    tokenizer.save(options.out)
    result = {
        "out": str(options.out),
        "vocabulary_size": tokenizer.vocabulary_size,
        "special_tokens": tokenizer.special_tokens,
        "end_token": tokenizer.end_token,
        "pad_token": tokenizer.pad_token,
        "characters": len(splits.training),
        "held_out_characters": len(held_out),
        "held_out_tokens": tokens,
        "characters_per_token": len(held_out) / tokens,
        "bytes_per_token": len(held_out.encode()) / tokens,
        "fingerprint": splits.facts["fingerprint"],
    }
    if options.json:
        print_json(result)
    else:
        print(printable(_report(result, options.vocabulary_size)))
    return 0


def _report(result: dict, asked: int) -> str:
    special = ", ".join(f"{name} ({i})" for name, i in result["special_tokens"].items())
    lines = [
        f"{result['out']}: {result['vocabulary_size']:,} tokens, special ones: {special or 'none'}"
    ]
    if result["vocabulary_size"] < asked:
        lines.append(f"(fewer than {asked:,}: the text has no more pairs that occur twice)")
    lines.append(
        f"{result['characters_per_token']:.2f} characters, {result['bytes_per_token']:.2f} bytes a "
        f"token on {result['held_out_characters']:,} characters that were held out"
    )
    return "\n".join(lines)
