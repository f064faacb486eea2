"""A progress bar and a stop button over steps that tell of their network calls."""

from collections.abc import Iterable

import streamlit as st


def follow(steps: Iterable[tuple], text: str, stop_key: str = "stop") -> tuple:
    """Goes through the steps under both; they leave the page at the end, or at an error.

    A click on any control ends the work: Streamlit leaves the page at the next sign of progress.

    Args:
        steps: tuples that end with the network calls so far, and the most there can be; such as
            `model.sample_steps`, `model.score_steps` and `candidate_steps` give.
        text: str, what stands on the bar before the first network call.
        stop_key: str, of the stop button; where a page shows several in a run, one for each.

    Returns:
        The last step.
    """
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, text)
        st.button("Stop", key=stop_key, icon=":material/stop_circle:", help="Ends this run.")
    try:
        for step in steps:
            *_, calls, most = step
            if calls:
                bar.progress(min(1.0, calls / most), f"{calls} of at most {most} network calls")
    except Exception:  # and not what Streamlit raises to leave the page
        place.empty()
        raise
    place.empty()
    return step
