"""`md4keras generate MODEL`: draws text or images."""

import argparse
from pathlib import Path

import numpy as np

from md4keras.cli.model import add_drawing, add_model, drawing, labels, load
from md4keras.cli.prompts import add_prompts, check_prompts, read_prompts
from md4keras.cli.results import check_out, print_texts, write_pictures, write_tokens
from md4keras.cli.terminal import followed, print_json, say
from md4keras.files import write_whole
from md4keras.samplers import Threshold
from md4keras.tokenizers import decode_masked, until_end

_EXAMPLE = """\
examples:
  md4keras generate pydoc --num-samples 3
  md4keras generate pydoc --prompt "Return the" --block-length 16
  md4keras generate digits --label 3,7 --num-samples 20 --out digits.png
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
    parser.set_defaults(num_samples=None, num_steps=None)  # `check_prompts` knows them
    add_prompts(parser)
    parser.add_argument(
        "--length",
        type=int,
        metavar="N",
        help="tokens of a text, after its prompt (default: what makes up the training length)",
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
    check_prompts(options)
    model = load(options)
    is_text = model.tokenizer is not None
    if options.out is None and not is_text and not options.json:
        options.out = Path("generated.png")
    if options.out:
        endings = (".txt",) if options.prompt else (".txt", ".npz")
        check_out(options.out, endings if is_text else (".png", ".gif", ".npz"))
    asked = read_prompts(model, options)
    how = _how(model, options)
    count = options.num_samples if asked is None else len(asked.tokens)
    classes = labels(model, options.label, count, all_by_default=True)
    states = _states(model, options, classes, how, asked)
    tokens, texts = states[-1], None
    if is_text:
        texts = decode_masked(model.tokenizer, tokens) if asked is None else asked.answer(tokens)
    if options.out:
        _write(options.out, model, states, texts)
    if options.json:
        result = {"model": str(options.model), "num_samples": options.num_samples, **_told(how)}
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


def _how(model, options) -> dict:
    """The arguments of `model.sample_steps` that say how samples are drawn."""
    for name in ("length", "block_length"):
        if getattr(options, name) is not None and model.tokenizer is None:
            word = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"Images have one size. Expected no {word}. Received: {word} "
                f"{getattr(options, name)}, data_shape={tuple(model.network.data_shape)}. Leave it "
                "out."
            )
    how = drawing(options)
    if options.block_length is not None:
        how["block_length"] = options.block_length
    if options.guidance_scale != 1.0:
        how["guidance_scale"] = options.guidance_scale
    return how


def _told(how: dict) -> dict:
    """How samples were drawn, in JSON values."""
    sampler = how["sampler"]
    if isinstance(sampler, Threshold):
        return {**how, "sampler": "threshold", "threshold": sampler.threshold}
    return how


def _states(model, options, classes, how: dict, asked) -> list:
    """The tokens of the states of a run that are wanted: all for an animation, else the last."""
    usual, length = model.network.data_shape, options.length
    count, longest = options.num_samples, 0
    if asked is not None:
        count, how = len(asked.tokens), how | {"prompt": asked.tokens}
        longest = max(map(len, asked.tokens))
        length = max(1, usual[0] - longest) if length is None else length
    if length is not None and longest + length > usual[0]:
        say(f"more than the {usual[0]} tokens of training: drawn block by block ...")
        end = getattr(model.tokenizer, "end_token_id", None)
        ends = [end] if asked is None else asked.ends
        return [_long(model, (count, length, classes), how, ends)]
    run = model.sample_steps(count, classes, length=length, **how)
    kept = []
    animated = options.out is not None and options.out.suffix.lower() == ".gif"
    for state in followed(run, "drawing"):
        kept = [*kept, state.tokens] if animated else [state.tokens]
    return kept


def _long(model, what: tuple, how: dict, ends):
    """The tokens of texts longer than those of training, prompts included, until all have ended."""
    drawn, ended = [], False
    for block in model.generate_blocks(*what, **how):
        drawn.append(block)
        ended |= np.isin(block, ends).any(axis=1)
        if ended.all():
            break
    drawn = np.concatenate(drawn, axis=1)
    if "prompt" not in how:
        return drawn
    return [np.concatenate(parts) for parts in zip(how["prompt"], drawn, strict=True)]


def _write(path: Path, model, states, texts) -> None:
    if texts is None:
        write_pictures(path, model, states[-1], states)
    elif path.suffix.lower() == ".npz":
        write_tokens(path, states[-1])
    else:
        write_whole(path, "\n".join(texts) + "\n")
