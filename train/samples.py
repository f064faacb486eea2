"""Samples that a run leaves to look at: text on the screen and in a file, or grids of images."""

from pathlib import Path

import numpy as np

from md4keras.tokenizers import decode_masked
from md4keras.visualization import pictures


def shower(recipe, data, folder: Path):
    """Returns the function `show(model, step)` that draws and writes samples."""

    how = dict(
        sampler=recipe.sampler, num_steps=recipe.sample_steps, time_grid=recipe.time_grid, seed=0
    )

    def show(model, step):
        folder.mkdir(parents=True, exist_ok=True)
        if model.tokenizer is not None:
            _show_text(model, how, folder / f"step_{step:07d}.txt")
        else:
            _show_images(model, how, folder / f"step_{step:07d}.png")

    return show


def class_labels(model, per_class: int):
    """`per_class` labels of each class in turn, or `None` for a network without classes."""
    classes = model.network.num_classes
    return np.tile(np.arange(classes), per_class) if classes else None


def _show_text(model, how, path):
    tokens = model.generate(3, **how)
    lines = decode_masked(model.tokenizer, tokens)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("".join(f"\n  | {line}" for line in lines), flush=True)


def _show_images(model, how, path):
    labels = class_labels(model, 4)
    count = 16 if labels is None else len(labels)
    tokens = model.generate(count, labels, **how)
    columns = model.network.num_classes or 4
    pictures.save_image_grid(tokens, path, levels=model.network.vocabulary_size, columns=columns)
    print(f"  samples: {path}", flush=True)
