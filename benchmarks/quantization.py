"""Fewer bits: what a saved model gains in room and loses in likelihood.

A row for each model and form of its weights: float32; float16 on disk (float32 in memory again);
int8 and int4, where dense layers, embeddings and convolutions are quantized. Megabytes of the
folder and of the weights in memory; the largest difference of logits from float32 on rows of chance
masked at random; bits per dimension of held-out examples with their standard error, and how many
bits more than in float32, with the standard error of that difference (the same examples and masks).
"""

import tempfile
from pathlib import Path

FORMS = ("float32", "float16", "int8", "int4")


def add_arguments(parser) -> None:
    add = parser.add_argument
    add(
        "--quantized",
        nargs="+",
        metavar="MODEL",
        help="folders or presets (default: all)",
    )
    add("--examples", type=int, default=256, help="held-out examples (default: 256)")
    add("--num-draws", type=int, default=16, help="of masks for each example (default: 16)")


def rows(options):
    """One row for each model and form."""
    from md4keras import presets

    for name in options.quantized or presets.shipped():
        yield from _rows_of(name, options)


def _rows_of(name: str, options):
    from md4keras import evaluation, load_model, save_model
    from md4keras.cli.reading import read_held_out

    original = load_model(name)
    count = 4 if options.tiny else options.examples
    part = next(read_held_out(original, None, False).parts(count))
    data = part.entries if part.labels is None else (part.entries, part.labels)
    draws = 2 if options.tiny else options.num_draws
    for form in FORMS:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work) / "model"
            if form == "float16":
                save_model(original, folder, dtype=form)
            else:
                model = load_model(name)
                if form != "float32":
                    model.quantize(form)
                save_model(model, folder)
            model = load_model(folder)
            disk = evaluation.weights.bytes_on_disk(folder)
        found = evaluation.paired_likelihood(original, model, data, num_draws=draws)
        own, more = found.after.bits_per_dim, found.bits_per_dim
        yield {
            "model": str(name),
            "weights": form,
            "MB on disk": disk / 1e6,
            "MB in memory": evaluation.weights.bytes_in_memory(model) / 1e6,
            "largest difference of logits": evaluation.weights.largest_difference(original, model),
            "bits per dimension": f"{own.value:.4f} +- {own.error:.4f}",
            "bits more": f"{more.value:+.4f} +- {more.error:.4f}",
        }
