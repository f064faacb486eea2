"""`md4keras infill MODEL ...`: fills the gaps of texts, or a part of images."""

import argparse
from pathlib import Path

import numpy as np

from md4keras.cli.model import add_drawing, add_model, check_kind, drawing, labels, load
from md4keras.cli.reading import read_known, read_picture
from md4keras.cli.results import check_out, print_texts, write_pictures
from md4keras.cli.terminal import followed, print_json
from md4keras.data import gaps, masks, read_image
from md4keras.models import long_infill
from md4keras.tokenizers import decode_masked

_EXAMPLE = """\
examples:
  md4keras infill pydoc "return the ____ of the list" --num-samples 3
  md4keras infill digits digit.png --box 4,0,4,8 --label 3 --out filled.png
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "infill",
        help="fill the gaps of a text, or a part of an image",
        description="Fills gaps. In a text a gap is ____, a token for each underscore, or "
        "[mask 12] (where the model knows the underscore: three or more of them); a text may be "
        "longer than those of the training. In an image it is what --mask or --box says.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    parser.add_argument(
        "inputs", nargs="*", metavar="TEXT|IMAGE", help="texts with gaps, or files of images"
    )
    parser.add_argument(
        "--replace-unknown",
        action="store_true",
        help="text: write what the model knows for characters that it does not know",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--mask", type=Path, metavar="FILE", help="an image, white where to fill")
    where.add_argument(
        "--box", metavar="T,L,H,W", help="pixels from the top and the left, height, width"
    )
    add_drawing(parser, num_samples=1)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="images: .png or .npz (default: infilled.png); a row is the image with its gap, then "
        "what was drawn",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fills and prints or writes the results; returns the exit status."""
    model = load(options)
    (_run_texts if model.tokenizer is not None else _run_images)(model, options)
    return 0


def _run_texts(model, options) -> None:
    if options.mask or options.box or options.out:
        check_kind(model, "images", "--mask, --box or --out", "Write ____ into the text.")
    _check_some(options, 'Write, for example, "the ____ sat".')
    texts = [read_known(model, text, options.replace_unknown, True) for text in options.inputs]
    parsed = [gaps.parse_gaps(text, model.tokenizer) for text in texts]
    how = drawing(options)
    classes = labels(model, options.label, options.num_samples)
    alternatives = []
    for tokens, mask in parsed:
        rows = np.tile(tokens, (options.num_samples, 1))
        run = long_infill.infill_steps(model, rows, mask, classes, settings=how)
        *_, last = followed(run, "filling")
        alternatives.append(decode_masked(model.tokenizer, last.tokens, filled=mask))
    if options.json:
        rows = zip(options.inputs, alternatives, strict=True)
        results = [{"given": given, "text": found} for given, found in rows]
        print_json({"model": str(options.model), **how, "results": results})
    else:
        print_texts([text for found in alternatives for text in found])


def _run_images(model, options) -> None:
    _check_some(options, "Name the file of an image.")
    if options.out is None and not options.json:
        options.out = Path("infilled.png")
    if options.out:
        check_out(options.out, (".png", ".npz"))
    shape = model.network.data_shape
    mask = _image_mask(options, shape)
    images = [read_picture(model, path) for path in options.inputs]
    how, count = drawing(options), options.num_samples
    classes = labels(model, options.label, count)
    rows = []
    for image in images:
        tokens = np.tile(image.astype("int32"), (count, 1, 1, 1))
        *_, last = followed(model.infill_steps(tokens, mask, classes, **how), "filling")
        rows += [np.where(mask, model.mask_token, image)[None], last.tokens]
    drawn = np.concatenate(rows)
    if options.out:
        shown = drawn if options.out.suffix.lower() == ".png" else np.concatenate(rows[1::2])
        write_pictures(options.out, model, shown, columns=1 + count)
    if options.json:
        results = [
            {"given": given, "tokens": tokens.tolist()}
            for given, tokens in zip(options.inputs, rows[1::2], strict=True)
        ]
        out = str(options.out) if options.out else None
        print_json({"model": str(options.model), **how, "out": out, "results": results})
    else:
        print(options.out)


def _image_mask(options, shape) -> np.ndarray:
    """What is to be filled, bool of the shape."""
    if options.mask:
        light = read_image(options.mask, (*shape[:2], 1), levels=2)  # [height, width, 1]
        mask = np.broadcast_to(light == 1, shape)
    elif options.box:
        try:
            top, left, height, width = map(int, options.box.split(","))
        except ValueError:
            raise ValueError(
                "A box is four whole numbers: pixels from the top, from the left, height, width. "
                f"Received: --box {options.box}. Write, for example, --box 0,0,4,8."
            ) from None
        mask = masks.rectangle(shape, top, left, height, width)
    else:
        raise ValueError(
            "Nothing says which part of the image is to be filled. Expected --mask FILE or --box "
            "T,L,H,W. Received: neither. Write, for example, --box 0,0,4,8."
        )
    if not mask.any():
        raise ValueError(
            f"The mask leaves nothing to fill. Expected a part of an image of {shape[0]} x "
            f"{shape[1]} pixels. Received: --mask {options.mask}, --box {options.box}. Paint it "
            "white, or move the box."
        )
    return mask


def _check_some(options, mend: str) -> None:
    if not options.inputs:
        raise ValueError(f"There is nothing to fill. Received: no TEXT or IMAGE. {mend}")
