// A canvas on which pixels are masked. It is called anew whenever the page runs: what is being
// painted is kept on the canvas.
export default function (component) {
    const { parentElement, data, setStateValue } = component;
    const { width, height, brush } = data;
    const canvas = parentElement.querySelector("canvas");
    if (canvas.dataset.picture !== data.picture) {  // what was painted belongs to its picture
        canvas.dataset.picture = data.picture;
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
