"""The first page: what this is, and three ways to start. It needs neither Keras nor a model."""

import streamlit as st

from app import demo, folders, frame

models = list(folders.saved_models(folders.root()))
texts = [model for model in models if (model / "tokenizer.json").is_file()]
WAYS = (
    (
        "Generate",
        "Draw images or text from nothing, and keep what you like.",
        ("views/generate.py", "Generate", ":material/auto_awesome:"),
        (models, "Needs a model: train one first."),
    ),
    (
        "Fill gaps in text",
        "Type ____ where words are missing; see how sure the model is.",
        ("views/infill.py", "Infill text", ":material/edit_note:"),
        (texts, "Needs a model of text: train one first."),
    ),
)

words, picture = st.columns([5, 4], gap="large", vertical_alignment="center")
with words:
    st.title("md4keras")
    st.markdown(
        "Models that write text and draw images by **uncovering a hidden sample piece by piece**, "
        "in any order: masked diffusion.  \nDraw from them, let them fill what you mask, and watch "
        "every step."
    )
with picture:
    st.image(
        frame.STATIC / "welcome.png",
        caption="A model of digits: from all masked (above) to drawn (below).",
        width="stretch",
    )

own = folders.own()
training = demo.training(own / "demo")
cards = st.columns(3)
for card, (title, text, (view, label, icon), (usable, missing)) in zip(cards, WAYS, strict=False):
    with card, st.container(border=True, height="stretch"):
        st.subheader(title)
        st.write(text)
        if usable:
            if st.button(label, icon=icon, type="primary", key=view):
                st.switch_page(view)
        else:
            st.caption(missing)
with cards[-1], st.container(border=True, height="stretch"):
    st.subheader("Bring models")
    if folders.are_presets():
        st.write("These are the ones that ship. Train two small ones, or start on your folder:")
        st.write("`md4keras app FOLDER`")
    elif models:
        st.write("See what is in the folder, or start on another: `md4keras app FOLDER`.")
    else:
        st.write("None here yet. Train two small ones, or start on another folder:")
        st.write("`md4keras app FOLDER`")
    if models and st.button("Models", icon=":material/inventory_2:"):
        st.switch_page("views/models.py")
    if not models or folders.are_presets() or training.running or training.failure:
        demo.offer(training)
if folders.are_presets():
    where = f"There is no model in {frame.plain(own)} yet: these are the presets of md4keras."
else:
    where = f"Models are taken from {frame.plain(own)}, and from nowhere else."
st.caption(where)
