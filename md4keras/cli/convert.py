"""`md4keras convert SOURCE OUT`: a published checkpoint becomes a saved model."""

import argparse
from pathlib import Path

from md4keras import checkpoints, conversion
from md4keras.cli.terminal import print_json, printable, say
from md4keras.conversion.loading import DTYPES

_EXAMPLE = """\
examples:
  md4keras convert hf://kuleshov-group/mdlm-owt models/mdlm --tokenizer gpt2_base_en
  md4keras convert LLaDA-8B-Base models/llada --dtype bfloat16
  md4keras convert workdir models/md4 --config md4_openwebtext --tokenizer gpt2_base_en
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "convert",
        help="make a saved model of a published checkpoint: MD4, GenMD4, MDLM, BD3LM, LLaDA",
        description="Reads a published checkpoint, without running anything in it, and saves the "
        "model with its tokenizer to the folder OUT, for all other verbs and backends.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "source",
        metavar="SOURCE",
        help="an Orbax folder of the published MD4 code; a folder as on the Hugging Face hub; or "
        "hf://owner/name",
    )
    add("out", type=Path, metavar="OUT", help="folder of the saved model")
    add(
        "--tokenizer",
        metavar="NAME",
        help="text8, bytes, a KerasHub preset such as gpt2_base_en, a tokenizer.json or a folder "
        "with one, or none (default: the one in SOURCE)",
    )
    add(
        "--config",
        metavar="NAME",
        help="of an Orbax folder: a published run such as md4_openwebtext, or a JSON file",
    )
    add("--step", type=int, metavar="N", help="of an Orbax folder (default: the last one)")
    which = parser.add_mutually_exclusive_group()
    for name, words in (("ema", "averaged weights (default)"), ("raw", "weights as trained")):
        which.add_argument(
            f"--{name}",
            dest="weights",
            action="store_const",
            const=name,
            help=f"of an Orbax folder: the {words}",
        )
    add(
        "--dtype",
        choices=DTYPES,
        help="numbers of the network (default: float32, or Keras's global policy)",
    )
    add("--json", action="store_true", help="print what was written as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Converts; returns the exit status."""
    checkpoints.check_output_folder(options.out)
    say("reading the checkpoint ...")
    model = conversion.load(
        options.source,
        options.tokenizer,
        options.config,
        options.weights,
        options.step,
        options.dtype,
    )
    checkpoints.save_model(model, options.out)
    network, tokenizer = model.network, model.tokenizer
    result = {
        "out": str(options.out),
        "source": options.source,
        "kind": model.recipe["converted"]["kind"],
        "network": type(network).__name__,
        "data_shape": list(network.data_shape),
        "vocabulary_size": network.vocabulary_size,
        "parameters": network.count_params(),
        "dtype": network.dtype_policy.name,
        "tokenizer": type(tokenizer).__name__ if tokenizer is not None else None,
    }
    if options.json:
        print_json(result)
        return 0
    shape = " x ".join(map(str, network.data_shape))
    print(
        printable(
            f"{options.out}: {result['kind']}, {result['parameters']:,} parameters, {shape} tokens "
            f"of {network.vocabulary_size:,} values"
        )
    )
    if tokenizer is None and len(network.data_shape) == 1:
        say("no tokenizer: --tokenizer NAME gives it one, without which there is no text")
    return 0
