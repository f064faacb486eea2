"""Samples of a model: text or a grid of images, to look at, keep and download."""

import io

import numpy as np
import streamlit as st

from app import frame, results, samples, sampling, shell
from md4keras.visualization import pictures

st.title("Generate")
saved, model = shell.pick()
gallery = st.session_state.setdefault("gallery", [])
_KEPT = 12  # results that the gallery shows


def restore(settings: dict) -> None:
    """Sets the controls as they were; called before the page runs again."""
    shell.choose(settings["model"])
    for key, value in settings["controls"].items():
        st.session_state[key] = value
    st.session_state["gen_keep_seed"] = True


def show(result: dict) -> None:
    """One result, with its downloads."""
    name = result["name"]
    lines, png = result["samples"].lines, result["samples"].png
    samples.show(result["samples"])
    with st.container(horizontal=True):
        if lines is not None:
            text = "\n".join(lines) + "\n"
            shell.download("Text", text, f"{name}.txt", "text/plain", "The samples, one a line.")
        if png is not None:
            shell.download("PNG", png, f"{name}.png", "image/png", "The grid.")
            shell.download("GIF", result["gif"], f"{name}.gif", "image/gif", "The reverse process.")
        explanation = "Tokens and labels as arrays."
        shell.download("NPZ", result["npz"], f"{name}.npz", "application/zip", explanation)
    st.caption(frame.plain(result["about"]))


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
    result["samples"] = samples.drawn(run.tokens, saved, model)
    if saved.is_image:
        look = samples.grid_look(saved, len(run.tokens))
        result["gif"] = pictures.gif_bytes(run.states, mask_token=model.mask_token, **look)
    controls = {key: st.session_state[key] for key in st.session_state if key.startswith("gen_")}
    result["settings"] = {"model": saved.name, "controls": controls}
    return result


bar, middle, side = frame.places()
with bar:
    label = shell.labels_control(saved, f"gen_label_{saved.name}", width=150)
    count = st.slider(
        "Number",
        1,
        100,
        3 if saved.has_tokenizer else 10,
        key="gen_number",
        width=220,
        help="How many samples to draw at once.",
    )
    start = st.button(
        "Generate",
        type="primary",
        key="generate",
        on_click=sampling.new_seed,
        args=("gen",),
        help="Draws the samples.",
    )
with side:
    settings = sampling.controls(saved, model, "gen")
asked = {"number": count, "class": label, "settings": settings}
with middle:
    if start:
        labels = shell.labels_of(saved, label, count)
        with shell.messages():
            steps = model.sample_steps(count, labels, **settings)
            run = sampling.run(steps, keep_states=saved.is_image)  # for the GIF
            result = finished(run, labels)
            gallery.insert(0, result)
            del gallery[_KEPT:]
            results.keep("generate", result, model, **asked)
    newest = results.found("generate", model)
    if newest is not None:
        results.mark_if_stale("generate", "Generate", **asked)
        show(newest)
    else:
        st.info(f"Press **Generate**. {sampling.EXPECT}", icon=":material/arrow_upward:")

earlier = [result for result in gallery if result is not newest]
if earlier:
    st.subheader("Earlier in this session")
    for number, result in enumerate(earlier, start=1):
        with st.container(border=True):
            if result["samples"].png is not None:
                st.image(result["samples"].png, width=320)
            elif result["samples"].lines is not None:
                st.code(result["samples"].lines[0], language=None, wrap_lines=True)
            st.caption(frame.plain(result["about"]))
            st.button(
                "Restore these settings",
                key=f"restore_{number}",
                on_click=restore,
                args=(result["settings"],),
                help="Sets the controls as they were; press Generate to draw the same again.",
            )
