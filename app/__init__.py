"""The Streamlit app: `md4keras app FOLDER`. Pages hold interface alone."""
