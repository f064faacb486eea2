"""The Streamlit app: `streamlit run app/Home.py -- FOLDER`. Pages hold interface alone."""
