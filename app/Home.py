"""The app's first page: the saved models that it can find.

`streamlit run app/Home.py -- FOLDER` looks for them in FOLDER (default: `runs`).
"""

import sys
from pathlib import Path

import streamlit as st


def saved_models(folder: Path) -> list[Path]:
    """Folders at or below `folder` that `md4keras.save_model` wrote, sorted."""
    return sorted(
        metadata.parent
        for metadata in folder.rglob("metadata.json")
        if (metadata.parent / "config.json").is_file()
    )


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs")

st.set_page_config(page_title="md4keras")
st.title("md4keras")
st.write("Masked discrete diffusion. For now, this page only lists the saved models it finds.")

models = saved_models(folder)
if models:
    st.dataframe({"Saved model": [path.relative_to(folder).as_posix() for path in models]})
else:
    st.info(
        f"No saved model in `{folder}`. Train one with `python -m train.digits`, or name another "
        "folder: `streamlit run app/Home.py -- FOLDER`."
    )
