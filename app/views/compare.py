"""The same seed through several samplers, or several models: time, network calls and quality."""

import numpy as np
import streamlit as st

from app import frame, progress, results, samples, sampling, shell
from md4keras import catalog
from md4keras.evaluation import variety
from md4keras.evaluation.per_value import in_bits
from md4keras.tokenizers import until_end

_COLUMNS = 3  # results beside each other
_CHOICE = 420  # pixels, for what is compared
_CHEAP = 10.0  # seconds: a run of at most so many is repeated, to time it without compilation
_SAMPLERS, _MODELS = "Samplers", "Models"

st.title("Compare")
saved, model = shell.pick()


def kind_of(other) -> str:
    """What a model's samples are."""
    return "text" if other.has_tokenizer else "image" if other.is_image else "tokens"


def chosen_samplers() -> list[tuple]:
    """Name, model and sampler of each run: several samplers."""
    possible, key = sampling.available(model), f"compare_samplers_{saved.name}"
    shell.forget_unless(key, possible, "This model has no sampler")
    names = st.multiselect(
        "Samplers",
        possible,
        default=possible[:3],
        key=key,
        width=_CHOICE,
        help="Each draws samples from the model with the same settings and the same seed.",
    )
    return [(name, saved, name) for name in names]


def chosen_models() -> list[tuple]:
    """Name, model and sampler of each run: several models."""
    same = {
        each.name: each
        for each in shell.models()
        if each.problem is None and kind_of(each) == kind_of(saved)
    }
    titles = catalog.titles(list(same.values()))
    others = [name for name in same if name != saved.name]
    key = f"compare_models_{saved.name}"
    shell.forget_unless(key, same, "The folder no longer has, for this kind of data, the model")
    names = st.multiselect(
        "Models",
        same,
        default=[saved.name, *others[:1]],
        max_selections=4,
        format_func=titles.get,
        key=key,
        width=_CHOICE,
        help="Models of the same kind of data; each draws with the same settings and seed.",
    )
    if not others:
        side.caption("The folder holds one model of this kind of data.")
    possible, key = sampling.available(model), f"compare_sampler_{saved.name}"
    shell.forget_unless(key, possible, "This model has no sampler")
    sampler = side.selectbox(
        "Sampler",
        possible,
        key=key,
        help="How masks are taken off, one step after the other.",
    )
    return [(titles[name], same[name], sampler) for name in names]


def timed(network, number: int, arguments: dict):
    """A run, its seconds without compilation, and those of the compilation."""
    run = sampling.run(network.sample_steps(**arguments), f"compare_stop_{number}")
    seconds = run.seconds - run.compile_seconds
    if seconds <= _CHEAP:
        again = sampling.run(network.sample_steps(**arguments), f"compare_again_{number}")
        seconds = again.seconds
    return run, seconds, max(0.0, run.seconds - seconds)


def measured(number: int, name: str, each, sampler: str) -> dict:
    """Runs one of the chosen; its row of the table and its samples."""
    network = shell.load(each)
    labels = shell.labels_of(each, label, count)
    arguments = settings | {"sampler": sampling.SAMPLERS[sampler][0](filters=filters)}
    arguments |= {"num_samples": count, "labels": labels}
    if not each.label_dropout:
        arguments["guidance_scale"] = 1.0
    run, seconds, compile_seconds = timed(network, number, arguments)
    drawn = run.tokens
    if network.tokenizer is not None:  # what stands after the end of a text is not its
        drawn = until_end(network.tokenizer, drawn)
    nats, *_ = progress.follow(
        network.score_steps(drawn, labels, num_samples=8, batch_size=16),
        "Scoring the samples (the first time compiles) ...",
        f"compare_score_{number}",
    )
    bits = in_bits(nats, drawn)
    row = {
        "Name": name,
        "Seconds": seconds,
        "Compilation": compile_seconds,
        "Network calls": run.calls,
        "Bits per dimension": bits.mean(),
        "Uncertainty": bits.std(ddof=1) / np.sqrt(len(bits)),
        "Distinct": variety.distinct_fraction(drawn),
        "Entropy": variety.token_entropy(drawn),
    }
    return {"row": row, "samples": samples.drawn(run.tokens, each, network)}


FIGURES = {
    "Seconds": (
        lambda row: f"{row['Seconds']:.2f}",
        "Of drawing all samples, with the states shown step by step. Without compilation: a run of "
        "at most ten seconds is done a second time for this.",
    ),
    "Compilation": (
        lambda row: f"{row['Compilation']:.1f} s",
        "Seconds by which the first run was slower: it compiles what was never run at this number "
        "of samples. About 0 if it was run before.",
    ),
    "Network calls": (
        lambda row: f"{row['Network calls']}",
        "How often the network was asked; with guidance, each such call has two halves.",
    ),
    "Bits per dimension": (
        lambda row: f"{row['Bits per dimension']:.3f} ± {row['Uncertainty']:.3f}",
        "How likely the model itself finds its samples (an upper bound from 8 draws each, "
        "averaged, and its standard error over the samples). Low means likely; far below what real "
        "data have means dull. Different models are different judges.",
    ),
    "Distinct": (
        lambda row: f"{row['Distinct']:.0%}",
        "Samples that differ from all before them in the list.",
    ),
    "Entropy": (
        lambda row: f"{row['Entropy']:.2f} bits",
        "Of how often each token occurs in all samples together. Much lower than in the other "
        "columns: a few tokens are repeated.",
    ),
}


def show_table(rows: list[dict]) -> None:
    """A column for each run, so that it is read on a phone too; below, what the figures mean."""
    cells = {"": list(FIGURES)}
    cells |= {frame.plain(row["Name"]): [text(row) for text, _ in FIGURES.values()] for row in rows}
    st.table(cells, border="horizontal", hide_index=True)
    with st.expander("What the figures mean"):
        for name, (_, explanation) in FIGURES.items():
            st.markdown(f"**{name}**: {explanation}")


def show_samples(runs: list[dict]) -> None:
    """What each run drew, side by side."""
    for first in range(0, len(runs), _COLUMNS):
        together = runs[first : first + _COLUMNS]
        columns = st.columns(min(len(runs), _COLUMNS))
        for column, result in zip(columns, together, strict=False):
            with column:
                st.text(result["row"]["Name"])
                samples.show(result["samples"], together=True, key=None)


bar, middle, side = frame.places()
with bar:
    way = st.radio(
        "What to compare",
        [_SAMPLERS, _MODELS],
        horizontal=True,
        key="compare_way",
        width="content",
        help="Several samplers of the model chosen in the side bar, or several models.",
    )
    runs = chosen_samplers() if way == _SAMPLERS else chosen_models()
    button = st.container(width="content")  # filled when it is known what is run
with side:
    count = st.slider(
        "Number", 4, 32, 10, key="compare_number", help="How many samples each of them draws."
    )
    label = shell.EACH
    if len({each.class_names for _, each, _ in runs}) == 1:
        label = shell.labels_control(runs[0][1], f"compare_label_{runs[0][1].name}")
    guided = next((each for _, each, _ in runs if each.label_dropout), saved)
    filters, settings = sampling.settings_controls(guided, "compare")
start = button.button(
    "Compare",
    type="primary",
    key="compare_start",
    disabled=not runs,
    on_click=sampling.new_seed,
    args=("compare",),
    help="Draws with each of them, one after the other. What is finished stays if you stop.",
)
asked = {
    "choice": tuple((name, each.name, sampler) for name, each, sampler in runs),
    "number": count,
    "class": label,
    "settings": (filters, settings),
}
with middle:
    if not runs:
        st.info("Choose at least one to run.", icon=":material/arrow_upward:")
    if start and runs:
        rows = []
        names = sorted({each.name for _, each, _ in runs})
        about = f"{', '.join(names)}, seed {settings['seed']}"
        results.keep("compare", {"runs": rows, "about": about}, model, **asked)
        for number, (name, each, sampler) in enumerate(runs):
            with shell.messages():
                rows.append(measured(number, name, each, sampler))
    result = results.found("compare", model)
    if result is not None and result["runs"]:
        results.mark_if_stale("compare", "Compare", **asked)
        show_samples(result["runs"])
        show_table([run["row"] for run in result["runs"]])
        st.caption(frame.plain(result["about"]))
    elif runs:
        st.info(
            f"Choose what to compare, and press **Compare**. {sampling.EXPECT}",
            icon=":material/arrow_upward:",
        )
