"""`md4keras generate MODEL`: draws text or images."""

import argparse
from pathlib import Path

import numpy as np

from md4keras.cli.model import add_drawing, add_model, drawing, labels, load
from md4keras.cli.results import check_out, print_texts, write_pictures, write_tokens
from md4keras.cli.terminal import followed, print_json, say
from md4keras.files import write_whole
from md4keras.tokenizers import decode_masked, until_end

_EXAMPLE = """\
examples:
  md4keras generate runs/demo/pydoc/model --num-samples 3
  md4keras generate runs/demo/digits/model --label 3,7 --num-samples 20 --out digits.png
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "generate",
        help="draw text or images from a model",
        description="Draws from a model. Text goes to standard output, images to a picture. Where "
        "the model has classes and no --label is given, one of each is drawn in turn.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    add_drawing(parser, num_samples=10)
    parser.add_argument(
        "--length", type=int, metavar="N", help="tokens of a text (default: the training length)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="images: .png (default: generated.png), .gif for the whole run, .npz for tokens; "
        "text: .txt or .npz (default: standard output)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draws, and prints or writes the samples; returns the exit status."""
    model = load(options)
    is_text = model.tokenizer is not None
    if options.out is None and not is_text and not options.json:
        options.out = Path("generated.png")
    if options.out:
        check_out(options.out, (".txt", ".npz") if is_text else (".png", ".gif", ".npz"))
    how = drawing(options)
    classes = labels(model, options.label, options.num_samples, all_by_default=True)
    states = _states(model, options, classes, how)
    tokens = states[-1]
    texts = decode_masked(model.tokenizer, tokens) if is_text else None
    if options.out:
        _write(options.out, model, states, texts)
    if options.json:
        result = {"model": str(options.model), "num_samples": options.num_samples, **how}
        result["labels"] = None if classes is None else classes.tolist()
        result["out"] = str(options.out) if options.out else None
        if is_text:
            sizes = [len(text) for text in until_end(model.tokenizer, tokens)]
            print_json(result | {"text": texts, "text_tokens": sizes})
        else:
            print_json(result | {"tokens": tokens.tolist()})
    elif options.out:
        print(options.out)
    else:
        print_texts(texts)
    return 0


def _states(model, options, classes, how: dict) -> list[np.ndarray]:
    """The tokens of the states of a run that are wanted: all for an animation, else the last."""
    usual = model.network.data_shape
    length = options.length
    if length is not None and model.tokenizer is None:
        raise ValueError(
            f"Images have one size. Expected no --length. Received: --length {length}, data_shape="
            f"{tuple(usual)}. Leave it out."
        )
    if length is not None and length > usual[0]:
        say(f"more than the {usual[0]} tokens of training: drawn block by block ...")
        end, drawn = getattr(model.tokenizer, "end_token_id", None), []
        ended = np.zeros(options.num_samples, bool)
        for block in model.generate_blocks(options.num_samples, length, classes, **how):
            drawn.append(block)
            ended |= np.any(block == end, axis=1)
            if ended.all():
                break
        return [np.concatenate(drawn, axis=1)]
    run = model.sample_steps(options.num_samples, classes, length=length, **how)
    kept = []
    animated = options.out is not None and options.out.suffix.lower() == ".gif"
    for state in followed(run, "drawing"):
        kept = [*kept, state.tokens] if animated else [state.tokens]
    return kept


def _write(path: Path, model, states, texts) -> None:
    if texts is None:
        write_pictures(path, model, states[-1], states)
    elif path.suffix.lower() == ".npz":
        write_tokens(path, states[-1])
    else:
        write_whole(path, "\n".join(texts) + "\n")
