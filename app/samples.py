"""Samples as the pages show them: lines of text, a grid of images, or the tokens themselves."""

import dataclasses

import numpy as np
import streamlit as st

from md4keras.catalog import ModelFolder
from md4keras.tokenizers import decode_masked
from md4keras.visualization import pictures

_WIDTH = 800  # of a grid of images, in pixels, at most; pages fit it to their place
_WIDER = 1.4  # times the height of such a place


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """One of three: `lines`, `png` (a file's content) or `rows` (`[n, tokens]`)."""

    lines: list[str] | None = None
    png: bytes | None = None
    rows: np.ndarray | None = None


def columns_of(count: int, num_classes: int | None = None) -> int:
    """Images in a row, so that they are large in a place that is somewhat wider than high.

    Rows are complete where that costs little; with many of each class a row holds all classes.
    """
    if num_classes and 2 < num_classes <= 20 and count >= 3 * num_classes:
        return num_classes

    def side(columns: int) -> float:
        return min(_WIDER / columns, 1 / -(-count // columns))

    best = max(map(side, range(1, count + 1)))
    good = [columns for columns in range(1, count + 1) if side(columns) >= 0.75 * best]
    return max(good, key=lambda columns: (count % columns == 0, side(columns)))


def grid_look(saved: ModelFolder, count: int) -> dict:
    """How `count` images are laid out: `levels`, `columns`, `scale` of `pictures.image_grid`."""
    height, width, _ = saved.data_shape
    columns = columns_of(count, saved.num_classes)
    rows = -(-count // columns)
    scale = min(_WIDTH // (columns * (width + 1)), _WIDTH // (rows * (height + 1)))
    return {"levels": saved.vocabulary_size, "columns": columns, "scale": max(1, scale)}


def drawn(tokens, saved: ModelFolder, model) -> Samples:
    """What a model drew, int `[n, *data_shape]`, made ready to be shown."""
    if model.tokenizer is not None:
        return Samples(lines=decode_masked(model.tokenizer, tokens))
    if saved.is_image:
        look = grid_look(saved, len(tokens))
        return Samples(
            png=pictures.png_bytes(pictures.image_grid(tokens, **look, transparent=True))
        )
    return Samples(rows=np.reshape(tokens, (len(tokens), -1)))


def show(samples: Samples, together: bool = False, key: str | None = "picture") -> None:
    """Shows them; texts one below the other, or `together` in one box of fixed height.

    Args:
        samples: what is shown.
        together: as above.
        key: `"picture"`, once a page, for a grid that fits into the window with the button above.
    """
    if samples.png is not None:
        with st.container(key=key):
            st.image(samples.png, width="stretch")
    elif samples.rows is not None:
        st.dataframe(samples.rows)
    elif together:
        st.code("\n\n".join(samples.lines), language=None, wrap_lines=True, height=400)
    else:
        for line in samples.lines:
            st.code(line, language=None, wrap_lines=True)
