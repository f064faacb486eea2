"""The report beside a model: figures with errors, warnings, conventions, and the page to save."""

import contextlib
import shlex

import streamlit as st

from md4keras.catalog import ModelFolder
from md4keras.evaluation.report import JSON, PAGE, Report, read_report, report_folder
from md4keras.evaluation.report_page import page
from md4keras.figures import in_words

from . import folders, shell
from .frame import plain


def show(saved: ModelFolder) -> None:
    """What the report says, or how to get one.

    Args:
        saved: the model that is picked.
    """
    st.subheader("Report")
    folder = report_folder(saved.folder)
    inside = saved.folder.resolve() != folders.root().resolve()  # else it would lie outside
    if not inside or folder.is_symlink() or not (folder / JSON).is_file():
        command = f"md4keras evaluate {shlex.quote(saved.folder.as_posix())} --report"
        st.caption(f"There is none yet. {plain(command)} measures the model and writes one.")
        return
    try:
        report = read_report(folder)
    except ValueError as error:
        st.warning(plain(error), icon=":material/warning:")
        return
    if report.model["weights"] != saved.weights:
        st.caption("The report beside this model is of other weights, so it is not shown.")
        return
    _show(report)
    with contextlib.suppress(ImportError):  # the plots need matplotlib
        explanation = "One file with all figures and plots, for any browser."
        shell.download("Report", page(report), PAGE, "text/html", explanation)


def _show(report: Report) -> None:
    data = report.data
    st.caption(plain(f"On {data['name']}: {data['examples']:,} examples; {report.date[:10]}."))
    rows = [(row["name"], *in_words(row)) for row in report.figures]
    names, values, draws, intervals = zip(*rows, strict=True)
    st.table(
        {
            "figure": list(map(plain, names)),
            "value and error": list(map(plain, values)),
            "error of the draws": list(map(plain, draws)),
            "95 % interval": list(map(plain, intervals)),
        },
        border="horizontal",
        hide_index=True,
    )
    if report.warnings:
        st.warning("\n".join(f"- {plain(each)}" for each in report.warnings))
    with st.expander("Conventions"):
        st.table(
            {
                "name": [plain(each["name"]) for each in report.conventions],
                "what it is": [plain(each["text"]) for each in report.conventions],
            },
            border="horizontal",
            hide_index=True,
        )
    st.caption("The command that repeats it:")
    st.code(report.command, language=None, wrap_lines=True)
