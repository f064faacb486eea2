"""`md4keras data prepare NAME --out FOLDER`: a published data set, or one's own, made ready."""

import argparse
from pathlib import Path

from md4keras.cli.terminal import print_json, printable, say
from md4keras.data import describe, preparation
from md4keras.data.detokenizers import DETOKENIZERS

_EXAMPLE = """\
examples:
  md4keras data prepare openwebtext --out data/openwebtext
  md4keras data prepare wikitext2 --out data/wikitext2 --splits validation
  md4keras data prepare texts/ --out data/texts --tokenizer gpt2_base_en
  md4keras data prepare pages.parquet --field body --out data/pages --limit 1000
"""


def add_command(commands) -> None:
    """Adds the command to the parser's commands."""
    parser = commands.add_parser(
        "prepare",
        help="fetch and tokenise a data set",
        description="Makes a data set ready to train on: fetched, checked, tokenised and written "
        "to a folder. The same command again goes on where it stopped, or does nothing.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(preparation.NAMES)
    parser.add_argument(
        "name",
        help=f"{names}; or the path of your own documents: .txt, .jsonl, .parquet, .csv, FASTA, "
        "each also .gz, or a folder of them",
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to write, a new one")
    parser.add_argument(
        "--source",
        type=Path,
        help="a copy of what would be fetched: the folder of the Hugging Face data set or of "
        "TensorFlow Datasets, or text8.zip",
    )
    parser.add_argument(
        "--tokenizer",
        help="bytes, text8 (27 symbols), a tokenizer.json, a folder with GPT-2's two files, a "
        "saved model, or a KerasHub preset (default: bytes for your own, gpt2_base_en for others)",
    )
    parser.add_argument(
        "--rows",
        choices=preparation.ROWS,
        help="cut into rows of --sequence-length now, or keep documents, which recipes make rows "
        "of (default: joined for openwebtext, documents for others)",
    )
    parser.add_argument(
        "--sequence-length", type=int, help="tokens of joined rows (default: 1024; lm1b 128)"
    )
    parser.add_argument(
        "--validation", type=float, help="the part that is held out (default: 0.1 of your own)"
    )
    parser.add_argument(
        "--field",
        default="text",
        help="the column or entry with the text (default: text, of a known set its own)",
    )
    parser.add_argument(
        "--detokenizer",
        choices=[*DETOKENIZERS, preparation.NO_DETOKENIZER],
        help="what cleans texts before they are tokenised (default: that of a zero-shot set, none "
        "for others)",
    )
    parser.add_argument(
        "--splits",
        nargs="+",
        metavar="SPLIT",
        help="of a published text the splits to prepare, such as validation (default: all)",
    )
    parser.add_argument("--limit", type=int, help="documents, or images of a split, at most")
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out files that cannot be used"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--workers", type=int, help="processes (default: one for each core)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prepares; returns the exit status."""
    names = preparation.Settings._fields
    settings = preparation.Settings(**{name: getattr(options, name) for name in names})
    made = preparation.prepare(
        options.name, options.out, settings, options.source, options.workers, say
    )
    path, facts = made, {}
    if not isinstance(made, Path):
        path, facts = made.folder, made.facts
    if options.json:
        print_json({"out": str(path), **facts})
        return 0
    for line in (*describe(facts), f"Prepared: {path}"):
        print(printable(line))
    return 0
