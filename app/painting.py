"""A canvas on which pixels are masked with mouse, pen, finger or keys."""

import base64
import hashlib
from pathlib import Path

import numpy as np
import streamlit as st

from md4keras.visualization.pictures import MASK_COLOUR


def _static(name: str) -> str:
    return (Path(__file__).parent / "static" / name).read_text(encoding="utf-8")


_canvas = st.components.v2.component(
    "md4keras_mask",
    html=_static("canvas.html"),
    css=_static("canvas.css"),
    js=_static("canvas.js"),
)


def paint(colours, key: str, brush: int = 1):
    """A picture whose pixels are masked by dragging or with keys, and unmasked the same way.

    What was painted is kept for the session, and belongs to its picture.

    Args:
        colours: uint8 `[height, width, 3]`, the picture.
        key: prefix of what is kept in the session.
        brush: side of the square that is marked, in pixels.

    Returns:
        The masked pixels, counted row by row from 0, as the browser tells them: not yet checked.
    """
    height, width, _ = colours.shape
    content = np.ascontiguousarray(colours).tobytes()
    picture = f"{height}x{width}_{hashlib.sha256(content).hexdigest()[:16]}"
    canvas = f"{key}_canvas_{picture}"
    masks = st.session_state.setdefault(f"{key}_painted", {})  # by picture

    def keep():
        masks[picture] = st.session_state[canvas].get("painted") or []

    painted = masks.setdefault(picture, [])
    data = {
        "width": width,
        "height": height,
        "brush": brush,
        "picture": picture,
        "colours": base64.b64encode(content).decode(),
        "mask_colour": list(MASK_COLOUR),
        "painted": painted,
    }
    _canvas(key=canvas, data=data, on_painted_change=keep)
    return painted
