"""Controls that say what is masked in an image: painted, or given by numbers."""

import numpy as np
import streamlit as st

from md4keras.data import masks
from md4keras.visualization import pictures

from . import painting


def control(shape, colours, scale: int):
    """The mask that the controls describe; a picture of it, where it is not painted.

    Args:
        shape: `(height, width, channels)` of the image.
        colours: uint8 `[height, width, 3]`, the image.
        scale: int, the side of a pixel's square in the picture.

    Returns:
        bool array of the shape.

    Raises:
        ValueError: if the browser sends pixels that are not there.
    """
    kinds = {
        "Paint": _painted,
        "Rectangle": _rectangle,
        "Half": _half,
        "Random pixels": _random_pixels,
    } | ({"One channel": _one_channel} if shape[-1] == 3 else {})
    kind = st.radio(
        "Mask",
        kinds,
        horizontal=True,
        key=f"inpaint_mask_{shape[-1]}",
        help="How to say what the model is to fill in; it sees all the rest.",
    )
    mask = kinds[kind](shape, colours)
    if kind != "Paint":
        hidden = np.where(mask, pictures.MASK_COLOUR, colours).astype("uint8")
        with st.container(key="picture"):
            st.image(
                pictures.colour_grid(hidden[None], 1, scale, transparent=True), width="stretch"
            )
    return mask


def _size(shape) -> str:
    """A part of keys: controls of another range are other controls."""
    return f"{shape[0]}x{shape[1]}"


def _painted(shape, colours):
    brush, side = 1, min(shape[:2])
    if side >= 12:
        brush = st.slider(
            "Brush",
            1,
            side // 4,
            max(1, side // 16),
            key=f"inpaint_brush_{_size(shape)}",
            help="Side of the square that is painted, in pixels.",
        )
    st.caption(
        "Press and drag to mask pixels; start on a masked one to unmask. With keys: the arrows, "
        "and space."
    )
    return masks.pixels(shape, painting.paint(colours, "inpaint", brush))


def _rectangle(shape, colours):
    height, width, _ = shape
    along = {"top": height, "left": width, "height": height, "width": width}
    explanations = {
        "top": "Pixels above the rectangle.",
        "left": "Pixels to its left.",
        "height": "Its rows; what lies beyond the border is cut off.",
        "width": "Its columns; what lies beyond the border is cut off.",
    }
    sides = {
        name: st.slider(
            name.capitalize(),
            0,
            most,
            most // 4 if name in ("top", "left") else -(-most // 2),
            key=f"inpaint_{name}_{_size(shape)}",
            help=explanations[name],
        )
        for name, most in along.items()
    }
    return masks.rectangle(shape, **sides)


def _half(shape, colours):
    side = st.radio(
        "Side", masks.SIDES, horizontal=True, key="inpaint_side", help="The half to mask."
    )
    return masks.half(shape, side)


def _random_pixels(shape, colours):
    percent = st.slider(
        "Masked pixels, percent",
        0,
        100,
        50,
        key="inpaint_percent",
        help="How many pixels are masked, at places drawn at random.",
    )
    seed = st.number_input(
        "Seed of the mask",
        0,
        2**32 - 1,
        0,
        key="inpaint_mask_seed",
        help="Decides the places; the completions have a seed of their own.",
    )
    return masks.random_fraction(shape, percent / 100, int(seed))


def _one_channel(shape, colours):
    index = st.radio(
        "Channel",
        range(3),
        format_func=lambda index: ("red", "green", "blue")[index],
        horizontal=True,
        key="inpaint_channel",
        help="The colour that is masked in every pixel; the other two stay.",
    )
    return masks.channel(shape, index)
