"""Samples as the pages show them: lines of text, a grid of images, or the tokens themselves."""

import dataclasses

import numpy as np
import streamlit as st

from md4keras.tokenizers import decode_masked
from md4keras.visualization import pictures

from .catalog import ModelFolder


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """One of three: `lines`, `png` (a file's content) or `rows` (`[n, tokens]`)."""

    lines: list[str] | None = None
    png: bytes | None = None
    rows: np.ndarray | None = None


def grid_look(saved: ModelFolder, width: int, columns: int | None = None) -> dict:
    """How images are laid out: `levels`, `columns` and `scale` of `pictures.image_grid`.

    Args:
        saved: the model.
        width: of one image on the page, in pixels, about.
        columns: images in a row; `None` for one of each class, ten at most.
    """
    return {
        "levels": saved.vocabulary_size,
        "columns": columns or min(saved.num_classes or 10, 10),
        "scale": max(1, width // saved.data_shape[1]),
    }


def drawn(tokens, saved: ModelFolder, model, width: int = 64, columns=None) -> Samples:
    """What a model drew, int `[n, *data_shape]`, made ready to be shown; see `grid_look`."""
    if model.tokenizer is not None:
        return Samples(lines=decode_masked(model.tokenizer, tokens))
    if saved.is_image:
        grid = pictures.image_grid(tokens, **grid_look(saved, width, columns), transparent=True)
        return Samples(png=pictures.png_bytes(grid))
    return Samples(rows=np.reshape(tokens, (len(tokens), -1)))


def show(samples: Samples, together: bool = False) -> None:
    """Shows them; texts one below the other, or `together` in one box of fixed height."""
    if samples.png is not None:
        st.image(samples.png)
    elif samples.rows is not None:
        st.dataframe(samples.rows)
    elif together:
        st.code("\n\n".join(samples.lines), language=None, wrap_lines=True, height=400)
    else:
        for line in samples.lines:
            st.code(line, language=None, wrap_lines=True)
