"""Controls of the reverse process, and a run of it with progress, a stop button and times."""

import dataclasses
import secrets
import time

import numpy as np
import streamlit as st

from md4keras import samplers
from md4keras.catalog import ModelFolder

from . import progress, shell

SAMPLERS = {
    "ancestral": (samplers.Ancestral, "the paper's: reveals at the rate of the exact posterior"),
    "event": (samplers.Event, "the same distribution; calls the network only to reveal"),
    "first_hitting": (samplers.FirstHitting, "infinitely many steps: one position at a time"),
    "confidence": (samplers.Confidence, "the surest positions first; likelier, less varied"),
    "threshold": (samplers.Threshold, "at once what is above 90 %; ends as soon as it can"),
    "entropy_bound": (samplers.EntropyBound, "at once what hardly depends on one another; ends so"),
    "klass": (samplers.Klass, "at once what is above 90 % and has stayed the same; ends so"),
    "halton": (samplers.Halton, "images: each step reveals pixels that lie far apart"),
    "psi": (samplers.Psi, "masks tokens again at the rate of fresh noise, to mend mistakes"),
    "remasking": (samplers.Remasking, "masks few tokens again, by the rule of ReMDM"),
    "path_planning": (samplers.PathPlanning, "masks the least sure tokens, old or new"),
    "corrector": (samplers.Corrector, "one more call a step draws a revealed token anew"),
}
DESCRIPTIONS = "How masks are taken off, one step after the other.\n\n" + "\n".join(
    f"- **{name}**: {description}" for name, (_, description) in SAMPLERS.items()
)
MOST_BYTES = 2**28  # of the states of one run
EXPECT = "The first run of a kind compiles: about ten seconds for a small model. Later ones do not."


def available(model) -> list[str]:
    """The samplers that the model's schedule and examples allow."""
    names = []
    for name, (kind, _) in SAMPLERS.items():
        try:
            kind().check_schedule(model.schedule)
            kind().check_data_shape(model.network.data_shape)
        except ValueError:
            continue
        names.append(name)
    return names


def controls(saved: ModelFolder, model, key: str, steps: int = 32) -> dict:
    """Widgets for how to sample.

    Args:
        saved: what is chosen.
        model: the model itself.
        key: prefix of the widgets' keys.
        steps: int, the number of steps to begin with.

    Returns:
        Keyword arguments of `model.sample_steps` and `model.infill_steps`.
    """
    names = available(model)
    shell.forget_unless(f"{key}_sampler", names, "This model has no sampler")
    name = st.selectbox(
        "Sampler",
        names,
        key=f"{key}_sampler",
        help=DESCRIPTIONS,
    )
    filters, settings = settings_controls(saved, key, steps)
    return {"sampler": SAMPLERS[name][0](filters=filters)} | settings


def settings_controls(saved: ModelFolder, key: str, steps: int = 32) -> tuple[tuple, dict]:
    """Widgets for all but the sampler.

    Args:
        saved, key, steps: as in `controls`.

    Returns:
        Filters for any sampler, and the other keyword arguments of `model.sample_steps`.
    """
    num_steps = st.slider(
        "Steps", 1, 256, steps, key=f"{key}_steps", help="More steps: better samples, more time."
    )
    seed = _seed_control(key)
    with st.expander("More settings"):
        temperature = st.slider(
            "Temperature",
            0.1,
            2.0,
            1.0,
            0.05,
            key=f"{key}_temperature",
            help="Divides the logits: below 1 likelier, above 1 more varied.",
        )
        top_p = st.slider(
            "Top-p",
            0.05,
            1.0,
            1.0,
            0.01,
            key=f"{key}_top_p",
            help="Keeps the likeliest values of this mass; 1 keeps all.",
        )
        guidance = st.slider(
            "Guidance",
            0.0,
            8.0,
            1.0,
            0.25,
            key=f"{key}_guidance",
            disabled=not saved.label_dropout,
            help="How strongly samples follow the class; needs a network with `label_dropout`.",
        )
        time_grid = st.selectbox(
            "Time grid",
            samplers.TIME_GRIDS,
            key=f"{key}_time_grid",
            help="Cosine takes its smallest steps first, while nearly all is masked.",
        )
    filters = (samplers.TopP(top_p),) if top_p < 1.0 else ()
    return filters, {
        "num_steps": num_steps,
        "time_grid": time_grid,
        "temperature": temperature,
        "guidance_scale": guidance if saved.label_dropout else 1.0,
        "seed": seed,
    }


def _seed_control(key: str) -> int:
    """The seed of the last run, which can be typed, and a lock that keeps it for the next."""
    state = st.session_state
    state.setdefault(f"{key}_seed", state.get(f"{key}_drawn"))
    seed = st.number_input(
        "Seed",
        0,
        2**32 - 1,
        value=None,
        step=1,
        placeholder="a new one",
        key=f"{key}_seed",
        help="The same seed gives the same samples. A new one is drawn for each run; one that you "
        "type is kept.",
    )
    st.toggle(
        "Keep this seed",
        key=f"{key}_keep_seed",
        on_change=lambda: state.update({f"{key}_drawn": state[f"{key}_seed"]}),
        help="On: the next run has this seed again. Off: each run is a new draw.",
    )
    return int(seed or 0)  # empty before the first run, which draws one


def new_seed(key: str) -> None:
    """Draws a seed for the run that begins, unless it is kept or was typed: for buttons."""
    state = st.session_state
    seed = state[f"{key}_seed"]
    if seed is not None and seed != state.get(f"{key}_drawn"):  # typed
        state[f"{key}_keep_seed"] = True
    if seed is None or not state[f"{key}_keep_seed"]:
        state[f"{key}_seed"] = secrets.randbelow(1_000_000)
    state[f"{key}_drawn"] = state[f"{key}_seed"]


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run gave: tokens, every state or `None`, network calls, and seconds."""

    tokens: object
    states: object
    calls: int
    seconds: float
    compile_seconds: float

    def describe(self) -> str:
        """Calls and seconds in a line; the compilation of a first run apart."""
        text = f"{self.calls} network calls, {self.seconds:.1f} s"
        if self.compile_seconds >= 0.5:
            text += f", of which {self.compile_seconds:.1f} s to compile (once for these sizes)"
        return text


def run(steps, stop_key: str = "stop", keep_states: bool = False) -> Run:
    """Takes the steps of a reverse process under a progress bar that can be stopped.

    Args:
        steps: what `model.sample_steps` or `model.infill_steps` returns.
        stop_key: str, as in `progress.follow`.
        keep_states: bool, whether every state is kept; refused where they would fill the memory.
    """
    start = time.perf_counter()
    times, states = [start], []

    def noted():
        for state in steps:
            if keep_states:
                _check_memory(state)
                states.append(state.tokens)
            if state.calls:
                times.append(time.perf_counter())
            yield state

    tokens, calls, _ = progress.follow(
        noted(), "Starting: a first run compiles for about ten seconds ...", stop_key
    )
    seconds = np.diff(times)
    extra = max(0.0, seconds[0] - np.median(seconds)) if len(seconds) > 1 else 0.0
    return Run(tokens, np.stack(states) if states else None, calls, times[-1] - start, extra)


def _check_memory(state) -> None:
    needed = (state.most_calls + 1) * state.tokens.nbytes
    if needed > MOST_BYTES:
        raise ValueError(
            f"The states of this run would take {needed / 2**20:.0f} MB. Expected at most "
            f"{MOST_BYTES / 2**20:.0f} MB. Draw fewer samples or take fewer steps."
        )
