"""Results that a page keeps, with what was asked: marked once the question has changed."""

import dataclasses

import numpy as np
import streamlit as st


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """A result of the session: `content`, the `model` it is of, and what was asked, by name."""

    content: dict
    model: object
    asked: dict


def keep(key: str, content: dict, model, **asked) -> None:
    """Keeps a page's result for the session, in the place of the one before.

    Args:
        key: of the page.
        content: what is shown.
        model: that it comes from.
        asked: what it depends on, by the name that a person knows: `text=...`, `settings=...`.
    """
    st.session_state[f"{key}_result"] = Kept(content, model, asked)


def found(key: str, model) -> dict | None:
    """The page's result, if it is the model's; that of another model is not shown."""
    kept = st.session_state.get(f"{key}_result")
    return kept.content if kept is not None and kept.model is model else None


def mark_if_stale(key: str, button: str, **now) -> None:
    """Says above a result that it answers another question than the page now asks.

    Args:
        key: of the page, with a result.
        button: what to press for a new one.
        now: as `asked` of `keep`.
    """
    asked = st.session_state[f"{key}_result"].asked
    changed = [name for name, value in now.items() if not _same(asked.get(name), value)]
    if changed:
        st.warning(
            f"This is the result of before: since then the **{'** and the **'.join(changed)}** "
            f"changed. Press **{button}** for a new one.",
            icon=":material/history:",
        )


def _same(one, other) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
