"""Every model of the folder: what it is, how it was trained, what it draws."""

import streamlit as st

from app import background, demo, samples, sampling, shell

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


st.title("Models")
found = shell.models()
good = [saved for saved in found if saved.problem is None]

training = demo.training(shell.folder() / "demo")
if not good:
    st.info(
        f"There is no model in `{shell.folder()}` yet. Train one (`python -m "
        f"{background.TRAIN}.digits`), start the app on another folder (`md4keras app FOLDER`), or "
        "let the app train the two small demo models.",
        icon=":material/info:",
    )
if not good or training.running or training.failure:
    demo.offer(training)

for saved in found:
    if saved.problem is not None:
        reason = shell.plain(f"{saved.name} cannot be loaded. {saved.problem}")
        st.warning(reason, icon=":material/warning:")

if good:
    st.dataframe(
        [
            {
                "Model": saved.name,
                "Kind": saved.kind,
                "Network": saved.network,
                "Data": "text" if saved.has_tokenizer else "x".join(map(str, saved.data_shape)),
                "Parameters": f"{saved.parameters:,}",
                "Bits per dimension": saved.bits_per_dim,
                "Trained on": saved.recipe.get("backend", ""),
            }
            for saved in good
        ],
        hide_index=True,
        column_config={
            "Bits per dimension": st.column_config.NumberColumn(
                format="%.3f", help="Upper bound on the validation split; lower is better."
            )
        },
    )
    saved, model = shell.pick()
    st.header(shell.plain(saved.name))
    left, right = st.columns(2)
    with left:
        st.subheader("Training")
        if curve := points(saved):
            st.vega_lite_chart(curve, CURVE)
        else:
            st.caption("The model does not tell how it was trained.")
        baselines = saved.recipe.get("baselines_bits_per_dim")
        if isinstance(baselines, dict):
            st.caption("Baselines on the same split, bits per dimension:")
            st.dataframe(baselines, column_config={"": "baseline", "value": "bits"})
    with right:
        st.subheader("Samples")
        count = 3 if saved.has_tokenizer else 2 * min(saved.num_classes or 10, 10)
        if st.button("Draw samples", help="Some of each class, in 32 steps, under seed 0."):
            labels = shell.labels_of(saved, shell.EACH, count)
            with shell.messages():
                result = sampling.run(model.sample_steps(count, labels, num_steps=32))
                samples.show(samples.drawn(result.tokens, saved, model))
                st.caption(result.describe())
