"""The frame of every page: its looks, and the places for the picture, the button, the settings."""

import re
from pathlib import Path

import streamlit as st

STATIC = Path(__file__).parent / "static"


def dress() -> None:
    """The style of all pages, and a menu that closes after a choice on a phone."""
    st.logo(STATIC / "logo.svg", size="large")
    st.html(STATIC / "frame.css")
    script = (STATIC / "menu.js").read_text(encoding="utf-8")
    with st.sidebar, st.container(key="menu_script"):
        st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def places():
    """Containers of a page: a bar for the button, the middle for pictures, settings beside it.

    On a phone they follow each other in this order, so the button stays above all.
    """
    bar = st.container(horizontal=True, vertical_alignment="bottom", key="bar")
    middle, side = st.columns([3, 1], gap="medium")
    return bar, middle, side


def plain(text) -> str:
    """Text as it stands, where Streamlit would read Markdown: nothing in it is markup or a link."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=@])", r"\\\1", str(text))
