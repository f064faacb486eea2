"""Every model of the folder: what it is, how it was trained, what it draws."""

import secrets

import streamlit as st

from app import RECIPES, demo, folders, frame, reports, results, samples, sampling, shell
from md4keras import catalog

_ROWS, _HEIGHT = 6, 220  # of the table: with more it is scrolled, in so many pixels
CURVE = {
    "mark": {"type": "line", "point": True},
    "encoding": {
        "x": {"field": "step", "type": "quantitative", "title": "step"},
        "y": {
            "field": "bits",
            "type": "quantitative",
            "title": "bits per dimension",
            "scale": {"zero": False},  # what is learned late would be lost in the distance to 0
        },
        "color": {"field": "split", "type": "nominal", "title": None, "legend": {"orient": "top"}},
    },
}


def points(saved) -> list[dict]:
    """The training curve, a row for each point; what is no number is left out."""
    return [
        {"step": row["step"], "split": split, "bits": row[name]}
        for row in saved.history
        for split, name in (("training", "bits_per_dim"), ("validation", "val_bits_per_dim"))
        if isinstance(row.get(name), int | float)
    ]


def facts(saved) -> str:
    """What it was trained on and with, as far as its recipe tells, in a line."""
    recipe, read = saved.recipe, saved.recipe.get("read")
    read = read if isinstance(read, dict) else {}
    kind = "text" if saved.has_tokenizer else "x".join(map(str, saved.data_shape))
    told = [f"{saved.kind} of {kind}", f"{saved.parameters:,} parameters"]
    told += [f"{recipe[name]:,} {name}" for name in ("steps",) if isinstance(recipe.get(name), int)]
    told += [
        f"{read[name]:,} {name}"
        for name in ("files", "characters", "images")
        if isinstance(read.get(name), int)
    ]
    told += [f"trained on {recipe['backend']}"] if recipe.get("backend") else []
    return frame.plain(", ".join(told))


st.title("Models")
found = shell.models()
good = [saved for saved in found if saved.problem is None]

training = demo.training(folders.own() / "demo")
if folders.are_presets():
    st.info(
        f"There is no model in `{folders.own()}` yet: these are the presets that ship with "
        f"md4keras. Train one of your own (`python -m {RECIPES}.digits`), start the app on "
        "another folder (`md4keras app FOLDER`), or let the app train the two small demo models.",
        icon=":material/info:",
    )
if not good:
    st.info(
        f"There is no model in `{folders.own()}` yet. Train one (`python -m "
        f"{RECIPES}.digits`), start the app on another folder (`md4keras app FOLDER`), or "
        "let the app train the two small demo models.",
        icon=":material/info:",
    )
if not good or folders.are_presets() or training.running or training.failure:
    demo.offer(training)

for saved in found:
    if saved.problem is not None:
        reason = frame.plain(f"{saved.name} cannot be loaded. {saved.problem}")
        st.warning(reason, icon=":material/warning:")

if good:
    titles = catalog.titles(good)
    with st.container(height="content" if len(good) < _ROWS else _HEIGHT, border=False):
        st.table(
            {
                "Model": [frame.plain(titles[each.name]) for each in good],
                "Folder": [f":small[:gray[{frame.plain(each.name)}]]" for each in good],
            },
            border="horizontal",
            hide_index=True,
        )
    saved, model = shell.pick()
    st.subheader(frame.plain(titles[saved.name]))
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(facts(saved))
        if curve := points(saved):
            st.vega_lite_chart(curve, CURVE, height=240)
        else:
            st.caption("The model does not tell how it was trained.")
        baselines = saved.recipe.get("baselines_bits_per_dim")
        if isinstance(baselines, dict):
            st.caption("Baselines on the same split, bits per dimension:")
            numbers = {k: v for k, v in baselines.items() if isinstance(v, int | float)}
            st.table(
                {
                    "baseline": [frame.plain(name) for name in numbers],
                    "bits": [f"{bits:.2f}" for bits in numbers.values()],
                },
                border="horizontal",
                hide_index=True,
            )
    with right:
        count = 3 if saved.has_tokenizer else min(saved.num_classes or 10, 10)
        start = st.button(
            "Draw samples",
            type="primary",
            key="models_draw",
            help="Some of each class, in 32 steps; another draw each time.",
        )
        if start:
            labels = shell.labels_of(saved, shell.EACH, count)
            with shell.messages():
                seed = secrets.randbelow(1_000_000)
                run = sampling.run(model.sample_steps(count, labels, num_steps=32, seed=seed))
                content = {"samples": samples.drawn(run.tokens, saved, model)}
                content["about"] = f"Seed {seed}: {run.describe()}"
                results.keep("models", content, model)
        if result := results.found("models", model):
            samples.show(result["samples"])
            st.caption(result["about"])
        elif not start:
            st.info(sampling.EXPECT, icon=":material/arrow_upward:")
    reports.show(saved)
