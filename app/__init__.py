"""The Streamlit app: `md4keras app FOLDER`. Pages hold interface alone.

It is the package `app`, in a checkout and (by `Home.py`) in an installation, where its folder is
`md4keras/app`: so the first page is there before `md4keras`, with Keras and JAX, is imported.
Modules import each other by `from . import`; the pages, which are no modules, by `from app import`.
"""

from pathlib import Path

PARENT = Path(__file__).resolve().parents[1]
IN_CHECKOUT = (PARENT / "md4keras").is_dir()
RECIPES = "train" if IN_CHECKOUT else "md4keras.train"
