"""The Streamlit app: `md4keras app FOLDER`. Pages hold interface alone.

In a checkout it is the package `app`, in an installation `md4keras.app`: its modules import each
other by `from . import`, the pages, which are no modules, by `from app import` (see `Home.py`).
"""
