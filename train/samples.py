"""Samples that a run leaves to look at: text on the screen and in a file, or grids of images."""

from pathlib import Path

import numpy as np

from md4keras.tokenizers import decode_masked
from md4keras.visualization import pictures

from .build import arguments


def shower(settings: dict, folder: Path, stop):
    """Returns the function `show(model, step)` that draws and writes samples.

    Args:
        settings: dict, of the run, with those of the sampling.
        folder: path, where the samples are written.
        stop: a `Stop`, asked after each step of the reverse process.
    """
    how = {**arguments(settings, "sampling"), "seed": 0}

    def show(model, step):
        folder.mkdir(parents=True, exist_ok=True)
        if model.tokenizer is not None:
            tokens = _drawn(model, 3, None, how, stop)
            _show_text(model, tokens, folder / f"step_{step:07d}.txt")
        else:
            labels = class_labels(model, 4)
            tokens = _drawn(model, 16 if labels is None else len(labels), labels, how, stop)
            _show_images(model, tokens, folder / f"step_{step:07d}.png")

    return show


def class_labels(model, per_class: int):
    """`per_class` labels of each class in turn, or `None` for a network without classes."""
    classes = model.network.num_classes
    return np.tile(np.arange(classes), per_class) if classes else None


def _drawn(model, count, labels, how, stop):
    """What `generate` returns; can be stopped between the steps."""
    tokens = None
    for state in model.sample_steps(count, labels, **how):
        stop.check()
        tokens = state.tokens
    return tokens


def _show_text(model, tokens, path):
    lines = decode_masked(model.tokenizer, tokens)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(
        "".join(f"  | {line}\n" for text in lines for line in text.split("\n")), end="", flush=True
    )


def _show_images(model, tokens, path):
    columns = model.network.num_classes or 4
    pictures.save_image_grid(tokens, path, levels=model.network.vocabulary_size, columns=columns)
    print(f"  samples: {path}", flush=True)
