"""`md4keras data tokenizer PATH`: trains word pieces on text or documents of one's own."""

import argparse
import itertools
from collections.abc import Iterable
from pathlib import Path

from md4keras import data
from md4keras.cli.results import check_out
from md4keras.cli.terminal import print_json, printable, say
from md4keras.tokenizers import END_TOKEN, BytePairTokenizer, encode_batch

_AT_ONCE = 256  # texts whose tokens are counted together
_EXAMPLE = """\
examples:
  md4keras data tokenizer texts --vocabulary-size 8192 --out tokenizer.json
  md4keras train pydoc --data texts --set tokenizer=tokenizer.json
  md4keras data tokenizer pages.parquet --field body --vocabulary-size 32768
"""


def add_command(commands) -> None:
    """Adds the command to the parser's commands."""
    parser = commands.add_parser(
        "tokenizer",
        help="train word pieces on your text",
        description="Joins the byte pairs that are most frequent in a text, time after time, into "
        "the pieces of a vocabulary. The same text gives the same pieces. The files are read one "
        "after another, whatever their size in all. What `md4keras train --data PATH` holds out is "
        "held out here too, and tells how long a piece is on average; `md4keras data prepare` "
        "draws what it holds out itself.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "path",
        type=Path,
        metavar="PATH",
        help="a text file or a folder of .txt files; or documents: .jsonl, .parquet, .csv, FASTA, "
        "anything with .gz, or a folder of them",
    )
    add(
        "--rows",
        choices=("auto", "windows", "documents"),
        default="auto",
        help="take .txt files for one text, or for documents: as the recipes' setting `rows`, of "
        "which all but windows are of documents (default: auto, one text)",
    )
    add("--field", default="text", help="the column or entry with the text (default: text)")
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
    add("--skip-bad", action="store_true", help="leave out files that cannot be used")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Trains, writes the file whole, and prints what it is; returns the exit status."""
    check_out(options.out, (".json",))
    splits = _splits(options)
    for line in splits.describe():
        say(line)
    say("joining pairs ...")
    counted = _Counted(splits.training)
    tokenizer = BytePairTokenizer.train(counted, options.vocabulary_size, options.special_tokens)
    held_out = _Counted(splits.validation)
    tokens = _num_tokens(tokenizer, held_out)
    tokenizer.save(options.out)
    result = {
        "out": str(options.out),
        "vocabulary_size": tokenizer.vocabulary_size,
        "special_tokens": tokenizer.special_tokens,
        "end_token": tokenizer.end_token,
        "pad_token": tokenizer.pad_token,
        "characters": counted.characters,
        "held_out_characters": held_out.characters,
        "held_out_tokens": tokens,
        "characters_per_token": held_out.characters / tokens,
        "bytes_per_token": held_out.bytes / tokens,
        "fingerprint": splits.facts["fingerprint"],
    }
    if options.json:
        print_json(result)
    else:
        print(printable(_report(result, options.vocabulary_size)))
    return 0


def _splits(options: argparse.Namespace) -> data.Splits:
    """What is trained on and what is held out, as streams: split as a recipe would."""
    is_text = not data.holds_documents(options.path)
    if options.rows == "windows" or (options.rows == "auto" and is_text):
        return data.text_files.stream(options.path, skip_bad=options.skip_bad)
    how = {"field": options.field, "skip_bad": options.skip_bad}
    return data.own_documents.stream(options.path, **how)


class _Counted:
    """Texts whose `characters`, and `bytes` in UTF-8, are counted as they pass."""

    def __init__(self, texts: Iterable[str]):
        self.texts, self.characters, self.bytes = texts, 0, 0

    def __iter__(self):
        for text in self.texts:
            self.characters += len(text)
            self.bytes += len(text.encode("utf-8", "replace"))
            yield text


def _num_tokens(tokenizer, texts: Iterable[str]) -> int:
    texts, count = iter(texts), 0
    while some := list(itertools.islice(texts, _AT_ONCE)):
        count += sum(map(len, encode_batch(tokenizer, some)))
    return count


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
