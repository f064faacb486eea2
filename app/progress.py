"""A progress bar and a stop button round work that tells of its network calls."""

import contextlib
from collections.abc import Callable, Iterator

import streamlit as st


@contextlib.contextmanager
def stoppable(text: str, stop_key: str = "stop") -> Iterator[Callable[[int, int], None]]:
    """Shows both while the work goes on; they leave the page when it ends or is refused.

    A click on any control ends the work: Streamlit leaves the page at the next sign of progress.

    Args:
        text: what stands on the bar before the first network call.
        stop_key: of the stop button; where a page shows several in a run, one for each.

    Yields:
        Function of `(calls, most)`: the network calls so far, and the most there can be.
    """
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, text)
        st.button("Stop", key=stop_key, icon=":material/stop_circle:", help="Ends this run.")

    def on_step(calls: int, most: int) -> None:
        bar.progress(min(1.0, calls / most), f"{calls} of at most {most} network calls")

    try:
        yield on_step
    except Exception:  # and not what Streamlit raises to leave the page
        place.empty()
        raise
    place.empty()
