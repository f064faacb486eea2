"""Training of the demo models from the app: one process for all sessions, with its progress."""

import functools
from pathlib import Path

import streamlit as st

from . import RECIPES, background, frame


@functools.cache
def training(output: Path) -> background.DemoTraining:
    """The training into this folder; one for all sessions of the app."""
    return background.DemoTraining(output)


def offer(training: background.DemoTraining) -> None:
    """A button that starts the training, then its progress bar, until the models are there."""
    if not training.running:
        if training.failure:
            st.error(frame.plain(f"The training ended with an error: {training.failure}"))
        st.button(
            "Train the demo models",
            icon=":material/model_training:",
            type="primary",
            on_click=training.start,
            help=f"Runs `python -m {RECIPES}.demo`: digits and a small text model.",
        )
        st.caption("About ten minutes on a laptop. It ends when the app ends.")
        return
    _progress(training)


@st.fragment(run_every=2.0)
def _progress(training) -> None:
    if not training.running:
        st.rerun()  # the whole page, which finds the models or the error
    done, what = training.progress()
    st.progress(done, what)
    st.button("Stop training", on_click=training.stop, help="Ends it; what is finished stays.")
