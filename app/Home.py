"""The app: saved models to look at, sample, fill in and compare.

`streamlit run app/Home.py -- FOLDER` takes models from FOLDER (default: `runs`) and from nowhere
else.
"""

import os
import sys
from pathlib import Path

import streamlit as st

os.environ.setdefault("KERAS_BACKEND", "jax")
ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:  # Streamlit looks for modules beside this file alone
    sys.path.insert(0, ROOT)

st.set_page_config(page_title="md4keras", page_icon="🎭", layout="wide")
pages = [
    st.Page("pages/models.py", title="Models", icon=":material/inventory_2:", default=True),
    st.Page("pages/generate.py", title="Generate", icon=":material/auto_awesome:"),
    st.Page("pages/infill.py", title="Infill text", icon=":material/edit_note:"),
    st.Page("pages/inpaint.py", title="Inpaint images", icon=":material/brush:"),
    st.Page("pages/watch.py", title="Watch", icon=":material/play_circle:"),
    st.Page("pages/compare.py", title="Compare", icon=":material/compare:"),
]
st.navigation(pages).run()
