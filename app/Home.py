"""The app: models to look at, sample, fill in and compare.

`md4keras app FOLDER` takes models from FOLDER (default: `runs`) and from nowhere else, and serves
the app to this machine alone.
"""

import importlib.util
import os
import sys
from pathlib import Path

import streamlit as st

os.environ.setdefault("KERAS_BACKEND", "jax")
# The pages import `app`, and Streamlit looks for modules beside this file alone. The folder is the
# package of that name wherever it lies, so that `md4keras`, with Keras and JAX, may come later.
HERE = Path(__file__).resolve().parent
if "app" not in sys.modules:
    spec = importlib.util.spec_from_file_location("app", HERE / "__init__.py")
    sys.modules["app"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["app"])
if (HERE.parent / "md4keras").is_dir() and str(HERE.parent) not in sys.path:  # a checkout
    sys.path.insert(0, str(HERE.parent))

from app import frame  # noqa: E402 (found only now)

st.set_page_config(page_title="md4keras", page_icon="🎭", layout="wide")
# Not in a folder named `pages`: Streamlit would run those by themselves, without this file.
welcome = st.Page("views/welcome.py", title="Welcome", icon=":material/home:", default=True)
others = [
    st.Page("views/models.py", title="Models", icon=":material/inventory_2:"),
    st.Page("views/generate.py", title="Generate", icon=":material/auto_awesome:"),
    st.Page("views/infill.py", title="Infill text", icon=":material/edit_note:"),
    st.Page("views/inpaint.py", title="Inpaint images", icon=":material/brush:"),
    st.Page("views/watch.py", title="Watch", icon=":material/play_circle:"),
    st.Page("views/compare.py", title="Compare", icon=":material/compare:"),
]
page = st.navigation([welcome, *others])
frame.dress()
if page is not welcome and "md4keras" not in sys.modules:
    with st.spinner("Starting Keras and JAX: about ten seconds, once ..."):
        importlib.import_module("md4keras")
page.run()
