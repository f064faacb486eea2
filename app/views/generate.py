"""Samples of a model: text or a grid of images, to look at, keep and download."""

import io

import numpy as np
import streamlit as st

from app import samples, sampling, shell
from md4keras.visualization import pictures

st.title("Generate")
saved, model = shell.pick()
gallery = st.session_state.setdefault("gallery", [])
_KEPT = 12  # results that the gallery shows
_WIDTH = 48  # of an image, in pixels, about


def restore(settings: dict) -> None:
    """Sets the controls as they were; called before the page runs again."""
    shell.choose(settings["model"])
    for key, value in settings["controls"].items():
        st.session_state[key] = value


def show(result: dict) -> None:
    """One result, with its downloads."""
    name = result["name"]
    lines, png = result["samples"].lines, result["samples"].png
    samples.show(result["samples"])
    if lines is not None:
        text = "\n".join(lines) + "\n"
        shell.download("Text", text, f"{name}.txt", "text/plain", "The samples, one a line.")
    if png is not None:
        with st.container(horizontal=True):
            shell.download("PNG", png, f"{name}.png", "image/png", "The grid.")
            shell.download("GIF", result["gif"], f"{name}.gif", "image/gif", "The reverse process.")
    shell.download(
        "NPZ", result["npz"], f"{name}.npz", "application/zip", "Tokens and labels as arrays."
    )
    st.caption(shell.plain(result["about"]))


def described(run) -> str:
    """What was drawn, how, and what it took, in a line."""
    sampler, top_p = st.session_state["gen_sampler"], st.session_state["gen_top_p"]
    parts = [saved.name, f"{len(run.tokens)} samples"]
    if saved.num_classes:
        parts.append("each class" if label == shell.EACH else f"class {saved.class_names[label]}")
    parts += [f"{sampler}, {settings['num_steps']} steps on a {settings['time_grid']} grid"]
    parts += [f"temperature {settings['temperature']:g}, top-p {top_p:g}"]
    parts += [f"guidance {settings['guidance_scale']:g}, seed {settings['seed']}"]
    return f"{', '.join(parts)}: {run.describe()}"


def finished(run, labels) -> dict:
    """A result: what is shown and can be downloaded, and the settings that led to it."""
    arrays = {"tokens": run.tokens} | ({} if labels is None else {"labels": labels})
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    result = {"name": f"{saved.name.replace('/', '_')}_seed{settings['seed']}"}
    result |= {"tokens": run.tokens, "npz": file.getvalue(), "about": described(run)}
    result["samples"] = samples.drawn(run.tokens, saved, model, _WIDTH)
    if saved.is_image:
        look = samples.grid_look(saved, _WIDTH)
        result["gif"] = pictures.gif_bytes(run.states, mask_token=model.mask_token, **look)
    controls = {key: st.session_state[key] for key in st.session_state if key.startswith("gen_")}
    result["settings"] = {"model": saved.name, "controls": controls}
    return result


left, right = st.columns([1, 2])
with left:
    count = st.slider(
        "Number", 1, 100, 10, key="gen_number", help="How many samples to draw at once."
    )
    label = shell.labels_control(saved, f"gen_label_{saved.name}")
    settings = sampling.controls(saved, model, "gen")
    start = st.button("Generate", type="primary", key="generate", help="Draws the samples.")
with right:
    if start:
        labels = shell.labels_of(saved, label, count)
        with shell.messages():
            steps = model.sample_steps(count, labels, **settings)
            run = sampling.run(steps, keep_states=saved.is_image)  # for the GIF
            result = finished(run, labels)
            gallery.insert(0, result)
            del gallery[_KEPT:]
    if gallery:
        show(gallery[0])
    else:
        st.info("Choose how to sample, and press **Generate**.", icon=":material/arrow_back:")

if len(gallery) > 1:
    st.subheader("Earlier in this session")
    for number, result in enumerate(gallery[1:], start=1):
        with st.container(border=True):
            st.button(
                "Restore these settings",
                key=f"restore_{number}",
                on_click=restore,
                args=(result["settings"],),
                help="Sets the controls as they were; press Generate to draw the same again.",
            )
            if result["samples"].png is not None:
                st.image(result["samples"].png, width=320)
            elif result["samples"].lines is not None:
                st.code(result["samples"].lines[0], language=None, wrap_lines=True)
            st.caption(shell.plain(result["about"]))
