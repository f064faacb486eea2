"""Images with a part masked, completed in several ways, and how likely the truth was."""

import math

import numpy as np
import streamlit as st

from app import frame, masking, progress, results, sampling, shell
from md4keras import data
from md4keras.data import images
from md4keras.evaluation.per_value import in_bits
from md4keras.visualization import pictures

_WIDTH = 100  # of a shown image, in pixels: three fit beside the canvas
_VALIDATION, _UPLOAD = "Validation image", "Upload"

st.title("Inpaint images")
saved, model = shell.pick(lambda saved: saved.is_image, "image model")
shape, levels = saved.data_shape, saved.vocabulary_size
height, width, channels = shape
scale = max(1, 2 * _WIDTH // width)


@st.cache_data(show_spinner=False)
def digits():
    """The digits' validation images and labels."""
    return data.digits().validation


@st.cache_data(show_spinner=False, max_entries=16)
def read(content: bytes, shape, levels: int):
    """An upload as tokens, and the size and mode it came in."""
    return images.read_image(content, shape, levels), images.image_format(content)


def held_out():
    """Validation images and labels, where the data are built in: no path of a recipe is opened."""
    if saved.recipe.get("recipe") != "digits" or saved.recipe.get("data", "") is not None:
        return None
    x, y = digits()
    return (x, y) if x.shape[1:] == shape and x.max() < levels else None


def from_validation(x, y):
    """A validation image and its label."""
    number = st.number_input(
        "Its number",
        0,
        len(x) - 1,
        0,
        key="inpaint_number",
        width=150,
        help="Which of the images that were held out in training.",
    )
    return x[number], int(y[number])


def from_upload():
    """An uploaded image, fitted to the model; `None` where there is none that can be used."""
    # Any kind of file is let through to `read`, which says what is wrong with it: with a list of
    # kinds, Streamlit raises an error on a file that the browser should not have sent.
    uploaded = st.file_uploader(
        "Upload an image",
        key="inpaint_upload",
        max_upload_size=10,
        help="A still PNG, JPEG, WebP, BMP or GIF; at most 10 MB and 16 million pixels.",
    )
    if uploaded is None:
        st.info(
            f"Upload an image: it is fitted to {width} x {height} pixels.", icon=":material/info:"
        )
        return None
    with shell.messages():
        tokens, (stored_height, stored_width, mode) = read(uploaded.getvalue(), shape, levels)
        kind = "grey" if channels == 1 else "colour"
        if (stored_height, stored_width) != (height, width):
            st.caption(
                f"The upload has {stored_width} x {stored_height} pixels: it is scaled and cropped "
                f"to {width} x {height}."
            )
        if mode != {1: "L", 3: "RGB"}[channels]:
            st.caption(f"Its mode is {mode}: it is turned into {kind}, on white if transparent.")
        if levels < 256:
            st.caption(f"Its 256 intensities become {levels}.")
        return tokens, None
    return None


def chosen(upload_place):
    """The image's tokens and its own label, if it has one; `None` without an image."""
    found = held_out()
    sources = [_VALIDATION] * (found is not None) + [_UPLOAD]
    source = st.radio(
        "Image",
        sources,
        horizontal=True,
        key=f"inpaint_source_{len(sources)}",
        width="content",
        help="Where the image comes from. Validation images only where the data are built in.",
    )
    if source == _VALIDATION:
        return from_validation(*found)
    with upload_place:
        return from_upload()


def shown(tokens):
    """The colours of one image, uint8 `[height, width, 3]`; masks are magenta."""
    return pictures.image_colours(tokens[None].astype("int32"), levels, model.mask_token)[0]


def finished(run, tokens, mask, label) -> dict:
    """A result: what is shown and can be downloaded; `bits` of the truth are asked for later."""
    rows = np.stack([tokens, np.where(mask, model.mask_token, tokens), *run.tokens])
    colours = [shown(row) for row in rows]
    kept = int((run.tokens == tokens)[:, ~mask].all(axis=0).sum())
    return {
        "truth": (tokens, mask, label),
        "pictures": [
            pictures.colour_grid(colour[None], 1, scale, transparent=True) for colour in colours
        ],
        "captions": ["original", "masked", *(f"completion {i + 1}" for i in range(len(rows) - 2))],
        "png": pictures.png_bytes(
            pictures.colour_grid(np.stack(colours), len(rows), scale, transparent=True)
        ),
        "name": f"{saved.name.replace('/', '_')}_inpainted_seed{settings['seed']}",
        "kept": f"{kept} of {int((~mask).sum())} given values stayed bit for bit in every one.",
        "about": run.describe(),
        "bits": None,
        "scored": False,
    }


def complete(tokens, mask, label) -> None:
    """Runs the model, and keeps what it gave."""
    with shell.messages():
        rows = np.repeat(tokens[None], count, axis=0)  # [count, *shape]
        labels = shell.labels_of(saved, label, count)
        run = sampling.run(model.infill_steps(rows, mask, labels, **settings))
        result = finished(run, tokens, mask, label)
        results.keep("inpaint", result, model, picture=tokens, mask=mask, **asked)


def score(result: dict) -> None:
    """Asks for the bits of the truth, under a progress bar."""
    tokens, mask, label = result["truth"]
    nats, error, *_ = progress.follow(
        model.score_steps(tokens[None], label, num_samples=16, given=~mask, batch_size=16),
        "Scoring the original (the first time compiles) ...",
        "inpaint_stop",
    )
    bits, error = (in_bits(each, tokens[None], ~mask)[0] for each in (nats, error))
    result["bits"] = f"{bits:.2f} ± {error:.2f}"


def show(result: dict) -> None:
    """Original, masked and completed images; then what the model says of the original."""
    st.image(result["pictures"], caption=result["captions"], width=_WIDTH)
    st.caption(f"{result['kept']} {result['about']}.")
    shell.download(
        "PNG", result["png"], f"{result['name']}.png", "image/png", "The images, side by side."
    )
    with shell.messages():
        if not result["scored"]:
            result["scored"] = True  # once, even if it is stopped
            score(result)
        if result["bits"] is None:
            st.caption("The original is not scored: that was stopped.")
            st.button(
                "Score the original",
                key="inpaint_score",
                on_click=result.update,
                kwargs={"scored": False},
                help="How many bits the model needs for what stands under the mask.",
            )
            return
        st.metric(
            "Bits of the truth for each masked value",
            result["bits"],
            help="How many bits the model needs to tell what stands under the mask in the "
            "original, given the rest (and the class): an upper bound from 16 draws, with its "
            "standard error. Low: the model expected it.",
        )
        st.caption(f"Guessing evenly among {levels} values costs {math.log2(levels):.2f} bits.")


bar, middle, side = frame.places()
left, right = middle.columns(2, gap="medium")
mask, label = None, None
with bar:
    image = chosen(left)
    if image is not None and image[1] is not None and image[1] < (saved.num_classes or 0):
        key = f"inpaint_label_{saved.name}_{st.session_state['inpaint_number']}"
        st.session_state.setdefault(key, image[1])  # each image begins with its own class
    else:
        key = f"inpaint_label_{saved.name}"
    label = shell.labels_control(saved, key, every=False, width=120)
    button = st.container(width="content")  # filled when the mask is known
with side:
    count = st.slider(
        "Completions", 1, 8, 4, key="inpaint_completions", help="How many ways of filling to draw."
    )
    settings = sampling.controls(saved, model, "inpaint")
with left:
    if image is not None:
        tokens = image[0].astype("int32")
        with shell.messages():
            mask = masking.control(shape, shown(tokens), scale)
ready = mask is not None and bool(mask.any())
start = button.button(
    "Inpaint",
    type="primary",
    key="inpaint_start",
    disabled=not ready,
    on_click=sampling.new_seed,
    args=("inpaint",),
    help="Draws what is masked, given all the rest.",
)
asked = {"class": label, "number": count, "settings": settings}
with right:
    if mask is not None and not ready:
        st.info(
            "Nothing is masked yet: mask some pixels for the model to fill in.",
            icon=":material/brush:",
        )
    if start and ready:
        complete(tokens, mask, label)
    result = results.found("inpaint", model)
    if result is not None and image is not None:
        results.mark_if_stale("inpaint", "Inpaint", picture=tokens, mask=mask, **asked)
        show(result)
    elif ready:
        st.info(
            f"Press **Inpaint** to fill in what is masked. {sampling.EXPECT}",
            icon=":material/arrow_upward:",
        )
