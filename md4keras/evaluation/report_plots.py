"""Plots of a report as SVG: the bound over time, and what positions cost.

No text of the report stands in them, so that none is read as a formula.
"""

import contextlib
import io
from collections.abc import Iterator

import numpy as np

from md4keras.files import import_optional

_LINE, _BAND, _GREY = "#20639b", "#bcd3e8", "#6b7280"
_STYLE = {
    "svg.hashsalt": "md4keras",  # the same report gives the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": "#374151",
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}
_NORMAL = 1.96  # standard errors of a band of 95 %


def curve_plot(curve: dict) -> bytes:
    """The density of the bound over time with its 95 % band, an SVG file.

    Args:
        curve: of a `Report`.

    Raises:
        ImportError: without matplotlib.
    """
    time, bits, error = (np.array(curve[name]) for name in ("time", "bits", "error"))
    with _axes((6.6, 2.7)) as (axes, stream):
        low, high = bits - _NORMAL * error, bits + _NORMAL * error
        axes.fill_between(time, low, high, color=_BAND, linewidth=0)
        axes.plot(time, bits, color=_LINE, linewidth=1.4, marker="o", markersize=3)
        axes.set(xlim=(0, 1), xlabel="time (0: nothing is masked, 1: all)")
        axes.set(ylim=(min(0, low.min()), None), ylabel="bits per unit of time")
    return stream.getvalue()


def positions_plot(tables: dict) -> bytes:
    """What positions cost, an SVG file: of text a curve, of images a map.

    Args:
        tables: of a `Report`.

    Raises:
        ImportError: without matplotlib.
    """
    bits = np.array(tables["positions"], "float64").reshape(tables["shape"])  # `None` is nan
    cell = tables["cell"]
    if bits.ndim == 1:
        with _axes((6.6, 2.4)) as (axes, stream):
            middle = (np.arange(len(bits)) + 0.5) * cell[0] - 0.5
            axes.plot(middle, bits, color=_LINE, linewidth=1, marker=".", markersize=3)
            axes.set(xlabel="position", ylabel="bits")
            axes.margins(x=0.01)
        return stream.getvalue()
    with _axes((4.4, 3.6)) as (axes, stream):
        height, width = bits.shape
        extent = (-0.5, width * cell[1] - 0.5, height * cell[0] - 0.5, -0.5)
        shown = axes.imshow(bits, "YlOrBr", extent=extent, interpolation="nearest")
        axes.grid(False)
        axes.set(xlabel="column", ylabel="row")
        bar = axes.figure.colorbar(shown, label="bits", shrink=0.9)
        bar.outline.set_visible(False)
    return stream.getvalue()


@contextlib.contextmanager
def _axes(size: tuple[float, float]) -> Iterator[tuple]:
    """Axes to draw on, and the stream in which the SVG file is at the end of the block."""
    why = "draws the report's plots", "md4keras[eval]"
    matplotlib = import_optional("matplotlib", *why)
    figures = import_optional("matplotlib.figure", *why)
    stream = io.BytesIO()
    usual = {name: v for name, v in matplotlib.rcParamsDefault.items() if name != "backend"}
    with matplotlib.rc_context({**usual, **_STYLE}):
        figure = figures.Figure(figsize=size, layout="constrained")
        yield figure.subplots(), stream
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
