"""The app: models to look at, sample, fill in and compare.

`md4keras app FOLDER` takes models from FOLDER (default: `runs`) and from nowhere else, and serves
the app to this machine alone.
"""

import importlib
import os
import sys
from pathlib import Path

import streamlit as st

os.environ.setdefault("KERAS_BACKEND", "jax")
# The pages import `app`. Streamlit looks for modules beside this file alone.
ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "md4keras").is_dir():  # an installation: this folder is `md4keras.app`
    sys.modules["app"] = importlib.import_module("md4keras.app")
elif str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

st.set_page_config(page_title="md4keras", page_icon="🎭", layout="wide")
# Not in a folder named `pages`: Streamlit would run those by themselves, without this file.
pages = [
    st.Page("views/models.py", title="Models", icon=":material/inventory_2:", default=True),
    st.Page("views/generate.py", title="Generate", icon=":material/auto_awesome:"),
    st.Page("views/infill.py", title="Infill text", icon=":material/edit_note:"),
    st.Page("views/inpaint.py", title="Inpaint images", icon=":material/brush:"),
    st.Page("views/watch.py", title="Watch", icon=":material/play_circle:"),
    st.Page("views/compare.py", title="Compare", icon=":material/compare:"),
]
st.navigation(pages).run()
