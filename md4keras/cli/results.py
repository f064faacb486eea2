"""Files that a command writes what it drew to: a picture, an animation, tokens or text."""

import io
from pathlib import Path

import numpy as np

from md4keras.cli.terminal import printable
from md4keras.files import write_whole
from md4keras.visualization import pictures


def check_out(path: Path, endings: tuple[str, ...]) -> None:
    """Checks, before the work, that a file can be written there.

    Raises:
        ValueError: for a folder, a place in no folder, or another ending than these.
    """
    problem = None
    if path.is_dir():
        problem = "it is a folder"
    elif not path.parent.is_dir():
        problem = f"there is no folder '{path.parent}'"
    elif path.suffix.lower() not in endings:
        problem = "its ending says nothing of what to write"
    if problem:
        raise ValueError(
            f"The result cannot be written: {problem}. Expected a file {', '.join(endings)} in a "
            f"folder that exists. Received: --out {path}. Name another place."
        )


def write_tokens(path: Path, tokens: np.ndarray) -> None:
    """Writes tokens as the `.npz` file's array of that name."""
    stream = io.BytesIO()
    np.savez_compressed(stream, tokens=tokens)
    write_whole(path, stream.getvalue())


def scale_of(shape) -> int:
    """How much images of this shape are enlarged, so that one has some 64 pixels or more."""
    return max(1, 64 // max(shape[:2]))


def write_pictures(path: Path, model, tokens, trajectory=None, columns: int = 10) -> None:
    """Writes images as a grid `.png`, the run that drew them as a `.gif`, or tokens as `.npz`.

    Args:
        model: whose tokens they are.
        tokens: int `[n, height, width, channels]`.
        trajectory: a list of such arrays, the states of the run, for a `.gif`.
        columns: int, images in a row.
    """
    how = dict(levels=model.network.vocabulary_size, columns=columns)
    how |= dict(scale=scale_of(model.network.data_shape), mask_token=model.mask_token)
    ending = path.suffix.lower()
    if ending == ".npz":
        write_tokens(path, tokens)
    elif ending == ".gif":
        pictures.save_animation(np.stack(trajectory), path, **how)
    else:
        pictures.save_image_grid(tokens, path, **how)


def print_texts(texts: list[str]) -> None:
    """Prints texts one after another; an empty line is between them where one has several lines."""
    between = "\n\n" if any("\n" in text for text in texts) else "\n"
    print(printable(between.join(texts)))
