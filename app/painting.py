"""A canvas on which pixels are masked with mouse, pen, finger or keys."""

import base64

import numpy as np
import streamlit as st

from md4keras.evaluation.pictures import MASK_COLOUR

_HTML = """
<div class="picture">
    <canvas role="application" tabindex="0" aria-label="The image: press and drag to mask pixels;
        or move with the arrow keys, and press space to mask or unmask"></canvas>
    <div class="cursor"></div>
</div>
<div class="below">
    <button type="button" title="Masks nothing any more">Clear</button>
    <span role="status"></span>
</div>
"""

_CSS = """
.picture { position: relative; width: min(100%, 320px); }
canvas {
    display: block;
    box-sizing: border-box;
    width: 100%;
    border: 1px solid var(--st-border-color);
    image-rendering: pixelated;
    touch-action: none;
    cursor: crosshair;
}
.cursor { display: none; position: absolute; box-sizing: border-box; pointer-events: none; }
canvas:focus-visible + .cursor {
    display: block;
    border: 2px solid var(--st-primary-color);
    outline: 2px solid white;
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
        canvas.stroke.cursor = [Math.floor(width / 2), Math.floor(height / 2)];
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
        tell(`${stroke.painted.size} of ${width * height} pixels masked`);
        showCursor();
    }

    function tell(text) {
        parentElement.querySelector("span").textContent = text;
    }

    function corner([x, y]) {  // of the square that the brush marks
        return [x - Math.floor((brush - 1) / 2), y - Math.floor((brush - 1) / 2)];
    }

    function showCursor() {
        const [left, top] = corner(stroke.cursor).map((place) => Math.max(0, place));
        const style = parentElement.querySelector(".cursor").style;
        style.left = `${(100 * left) / width}%`;
        style.top = `${(100 * top) / height}%`;
        style.width = `${(100 * Math.min(brush, width - left)) / width}%`;
        style.height = `${(100 * Math.min(brush, height - top)) / height}%`;
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
        const [left, top] = corner([x, y]);
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

    function begin([x, y]) {  // a stroke that starts on a masked pixel unmasks
        stroke.last = stroke.cursor = [x, y];
        stroke.erases = stroke.painted.has(y * width + x);
        moveTo(stroke.last);
    }

    function end() {
        stroke.last = null;
        send();
    }

    canvas.onpointerdown = (event) => {
        if (!event.isPrimary || event.button !== 0) return;
        event.preventDefault();
        canvas.setPointerCapture(event.pointerId);
        begin(place(event));
    };
    canvas.onpointermove = (event) => {
        if (event.isPrimary && stroke.last) moveTo(place(event));
    };
    canvas.onpointerup = canvas.onpointercancel = (event) => {
        if (event.isPrimary && stroke.last) end();
    };
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    canvas.onkeydown = (event) => {
        const move = moves[event.key];
        if (move) {
            const inside = (place, size) => Math.min(size - 1, Math.max(0, place));
            const [x, y] = stroke.cursor;
            stroke.cursor = [inside(x + move[0], width), inside(y + move[1], height)];
            showCursor();
            const masked = stroke.painted.has(stroke.cursor[1] * width + stroke.cursor[0]);
            tell(
                `row ${stroke.cursor[1] + 1}, column ${stroke.cursor[0] + 1}: ` +
                    (masked ? "masked" : "not masked"),
            );
        } else if (event.key === " ") {
            if (!event.repeat) {
                begin(stroke.cursor);
                end();
            }
        } else {
            return;
        }
        event.preventDefault();  // the page would scroll
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
    """A picture whose pixels are masked by dragging or with keys, and unmasked the same way.

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
