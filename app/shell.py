"""Shared by the pages: the folder of models, the chosen model, and its messages."""

import contextlib

import numpy as np
import streamlit as st

import md4keras
from md4keras import catalog
from md4keras.catalog import ModelFolder

from . import folders
from .frame import plain

_CHOSEN = "chosen_model"
_PICKER = "model_picker"
EACH = -1  # stands for each class in turn


def models() -> list[ModelFolder]:
    """What is saved there now; read again only after a change."""
    try:
        return _models(str(folders.root()), folders.stamp(folders.root()))
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        st.stop()


@st.cache_data(show_spinner="Reading the models ...", max_entries=2)
def _models(root: str, stamp) -> list[ModelFolder]:
    return catalog.model_folders(root)


def choose(name: str, wanted: str = "model") -> None:
    """Makes a model the chosen one, before the page runs: for callbacks."""
    st.session_state[_CHOSEN] = name
    st.session_state[f"{_PICKER}_{wanted}"] = name


def pick(suits=lambda saved: True, wanted: str = "model"):
    """The model picker in the side bar; ends the page where there is nothing to pick.

    Args:
        suits: function of a `ModelFolder`: whether the page can use it.
        wanted: what the page needs, for the message.

    Returns:
        The `ModelFolder` and the loaded model.
    """
    found = {saved.name: saved for saved in models() if saved.problem is None and suits(saved)}
    names = list(found)
    if not names:
        st.info(
            f"There is no {wanted} in `{folders.root()}`. The page **Models** says how to get one.",
            icon=":material/info:",
        )
        st.stop()
    chosen = st.session_state.get(_CHOSEN)
    forget_unless(f"{_PICKER}_{wanted}", names, "The folder no longer has the model")
    name = st.sidebar.selectbox(
        "Model",
        names,
        index=names.index(chosen) if chosen in names else 0,
        format_func=catalog.labels(list(found.values())).get,
        key=f"{_PICKER}_{wanted}",
        help="The model that this page uses, and how many bits per dimension it needs for what it "
        "has not seen (fewer are better).",
    )
    st.sidebar.caption(plain(f"{found[name].design}, {found[name].size} parameters, in {name}"))
    st.session_state[_CHOSEN] = name  # on the other pages too
    return found[name], load(found[name])


def load(saved: ModelFolder):
    """The model, loaded once for all sessions; ends the page with the reason where it cannot be."""
    try:
        return _load(str(saved.folder), folders.changed(saved.folder))
    except Exception as error:  # noqa: BLE001 (Keras raises anything for a folder of odd content)
        reason = f"{saved.name} cannot be loaded. {type(error).__name__}: {error}"
        st.error(plain(reason), icon=":material/error:")
        st.stop()


@st.cache_resource(show_spinner="Loading the model ...", max_entries=8)
def _load(path: str, stamp: int):
    return md4keras.load_model(path)


@contextlib.contextmanager
def messages():
    """Shows what the library refuses as a message in the page, never as a traceback."""
    try:
        yield
    except (ValueError, NotImplementedError) as error:
        st.error(plain(error), icon=":material/error:")


def forget_unless(key: str, choices, missing: str) -> None:
    """Forgets what is kept for a control, with a message, where it cannot be chosen.

    It may come from another model, from one of that name that was trained anew, or be a model that
    is no longer in the folder.

    Args:
        key: of the control, not yet drawn in this run of the page.
        choices: what can be chosen.
        missing: the message, up to what is missing.
    """
    kept = st.session_state.get(key)
    several = kept if isinstance(kept, list) else [kept] if kept is not None else []
    lacking = [repr(each) for each in several if each not in choices]
    if lacking:
        st.warning(plain(f"{missing} {', '.join(lacking)}: the control is set anew."))
        del st.session_state[key]


def labels_control(saved: ModelFolder, key: str, every: bool = True, width="stretch"):
    """The class to draw: a label, `EACH` for each class in turn, or `None` without classes."""
    if not saved.num_classes:
        return None
    choices = [EACH] * every + list(range(saved.num_classes))
    forget_unless(key, choices, "This model has no class")
    return st.selectbox(
        "Class",
        choices,
        format_func=lambda label: "each in turn" if label == EACH else saved.class_names[label],
        key=key,
        width=width,
        help="What the model is asked to draw.",
    )


def labels_of(saved: ModelFolder, label, count: int):
    """Labels for `count` samples: the chosen class, or each in turn; `None` without classes."""
    if not saved.num_classes:
        return None
    return np.arange(count) % saved.num_classes if label == EACH else np.full(count, label)


def download(name: str, content, file_name: str, mime: str, explanation: str) -> None:
    """A button that saves a file without running the page again."""
    st.download_button(
        name,
        content,
        file_name,
        mime,
        key=f"download_{name}",
        on_click="ignore",
        icon=":material/download:",
        help=explanation,
    )
