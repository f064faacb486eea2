"""A canvas on which pixels are masked with mouse, pen or finger."""

import base64

import numpy as np
import streamlit as st

from md4keras.evaluation.pictures import MASK_COLOUR

_HTML = """
<canvas role="img" aria-label="The image: press and drag to mask pixels"></canvas>
<div class="below">
    <button type="button" title="Masks nothing any more">Clear</button><span></span>
</div>
"""

_CSS = """
canvas {
    display: block;
    width: min(100%, 320px);
    border: 1px solid var(--st-border-color);
    image-rendering: pixelated;
    touch-action: none;
    cursor: crosshair;
}
.below { display: flex; align-items: center; gap: 0.75rem; margin-top: 0.5rem; }
button, span { font: 0.875rem var(--st-font); color: var(--st-text-color); }
button {
    padding: 0.25rem 0.75rem;
    border: 1px solid var(--st-border-color);
    border-radius: var(--st-button-radius);
    background: var(--st-secondary-background-color);
    cursor: pointer;
}
button:hover, button:focus-visible { border-color: var(--st-primary-color); }
"""

# The component is called anew whenever the page runs: what is being painted is kept on the canvas.
_JS = """
export default function (component) {
    const { parentElement, data, setStateValue } = component;
    const { width, height, brush } = data;
    const canvas = parentElement.querySelector("canvas");
    const shape = `${width}x${height}`;
    if (canvas.dataset.shape !== shape) {
        canvas.dataset.shape = shape;
        canvas.width = width;
        canvas.height = height;
        canvas.stroke = { painted: new Set(data.painted), last: null, erases: false };
    }
    const stroke = canvas.stroke;
    const colours = Uint8Array.from(atob(data.colours), (letter) => letter.charCodeAt(0));
    const context = canvas.getContext("2d");

    function draw() {
        const picture = context.createImageData(width, height);
        for (let pixel = 0; pixel < width * height; pixel++) {
            const own = colours.subarray(3 * pixel, 3 * pixel + 3);
            picture.data.set(stroke.painted.has(pixel) ? data.mask_colour : own, 4 * pixel);
            picture.data[4 * pixel + 3] = 255;
        }
        context.putImageData(picture, 0, 0);
        parentElement.querySelector("span").textContent =
            `${stroke.painted.size} of ${width * height} pixels masked`;
    }

    function place(event) {
        const box = canvas.getBoundingClientRect();
        const inside = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
        return [
            inside((event.clientX - box.left) / box.width, width),
            inside((event.clientY - box.top) / box.height, height),
        ];
    }

    function mark(x, y) {
        const left = x - Math.floor((brush - 1) / 2);
        const top = y - Math.floor((brush - 1) / 2);
        for (let row = Math.max(0, top); row < Math.min(height, top + brush); row++) {
            for (let column = Math.max(0, left); column < Math.min(width, left + brush); column++) {
                const pixel = row * width + column;
                if (stroke.erases) stroke.painted.delete(pixel);
                else stroke.painted.add(pixel);
            }
        }
    }

    function moveTo([x, y]) {  // a fast pointer skips pixels: those on the line are marked too
        const [fromX, fromY] = stroke.last;
        const steps = Math.max(1, Math.abs(x - fromX), Math.abs(y - fromY));
        for (let step = 0; step <= steps; step++) {
            mark(
                Math.round(fromX + ((x - fromX) * step) / steps),
                Math.round(fromY + ((y - fromY) * step) / steps),
            );
        }
        stroke.last = [x, y];
        draw();
    }

    function send() {
        setStateValue("painted", [...stroke.painted].sort((a, b) => a - b));
    }

    canvas.onpointerdown = (event) => {
        if (!event.isPrimary || event.button !== 0) return;
        event.preventDefault();
        canvas.setPointerCapture(event.pointerId);
        stroke.last = place(event);
        stroke.erases = stroke.painted.has(stroke.last[1] * width + stroke.last[0]);
        moveTo(stroke.last);
    };
    canvas.onpointermove = (event) => {
        if (event.isPrimary && stroke.last) moveTo(place(event));
    };
    canvas.onpointerup = canvas.onpointercancel = (event) => {
        if (!event.isPrimary || !stroke.last) return;
        stroke.last = null;
        send();
    };
    parentElement.querySelector("button").onclick = () => {
        stroke.painted.clear();
        draw();
        send();
    };
    draw();
}
"""

_canvas = st.components.v2.component("md4keras_mask", html=_HTML, css=_CSS, js=_JS)


def paint(colours, key: str, brush: int = 1):
    """A picture whose pixels are masked by dragging over them, and unmasked the same way.

    What was painted is kept for the session, and for any picture of the same size.

    Args:
        colours: uint8 `[height, width, 3]`, the picture.
        key: prefix of what is kept in the session.
        brush: side of the square that is marked, in pixels.

    Returns:
        The masked pixels, counted row by row from 0, as the browser tells them: not yet checked.
    """
    height, width, _ = colours.shape
    kept, canvas = f"{key}_painted_{height}x{width}", f"{key}_canvas_{height}x{width}"

    def keep():
        st.session_state[kept] = st.session_state[canvas].get("painted") or []

    painted = st.session_state.setdefault(kept, [])
    data = {
        "width": width,
        "height": height,
        "brush": brush,
        "colours": base64.b64encode(np.ascontiguousarray(colours).tobytes()).decode(),
        "mask_colour": list(MASK_COLOUR),
        "painted": painted,
    }
    _canvas(key=canvas, data=data, on_painted_change=keep)
    return painted
