"""Parts of a report that are made of a `Nelbo`: figures, the curve over time, tables."""

import math
from collections.abc import Callable

import numpy as np

from md4keras.evaluation.estimates import Estimate
from md4keras.evaluation.nelbo import Nelbo

_BITS = 1 / math.log(2)
_CELLS = {1: 512, 2: 64}  # of each axis of a table by position, at most
_ROWS = 12  # of the dearest token values, and of the cheapest
_OFTEN = 10  # as often a value has to occur, to be among these


def figures(found: Nelbo, dimension: str, counts: dict, is_text: bool) -> list[dict]:
    """Rows of a `Report`: bits and nats per dimension, of text perplexity, and by other measures.

    Args:
        found: what `likelihood` returned.
        dimension: str, what a scored position is, such as `"token"`.
        counts: arrays `[n]`, how many words, characters and such each example has, by their name.
        is_text: bool, whether the examples are text.

    Returns:
        A list of dictionaries: `"name"`, `"unit"`, `"value"`, `"error"`, `"error_of_draws"`,
        `"interval"` (95 %).
    """
    rows = [
        _row(f"bits per {dimension}", "bits", found.bits_per_dim),
        _row(f"nats per {dimension}", "nats", found.nats_per_dim),
    ]
    rows += _perplexity(found.nats_per_dim, dimension) if is_text else []
    for name, count in counts.items():
        rows.append(_row(f"bits per {name.removesuffix('s')}", "bits", found.bits_per(count)))
        rows += _perplexity(found.nats_per(count), "word") if name == "words" else []
    return rows


def _perplexity(nats: Estimate, name: str) -> list[dict]:
    """The row of the exponential; none where that is too large for a number."""
    row = _row(f"perplexity per {name}", "", nats.exp())
    return [row] if all(map(math.isfinite, (row["value"], *row["interval"]))) else []


def _row(name: str, unit: str, found: Estimate) -> dict:
    numbers = {each: getattr(found, each) for each in ("value", "error", "error_of_draws")}
    return {"name": name, "unit": unit, **numbers, "interval": list(found.interval())}


def curve(found: Nelbo) -> dict:
    """The density of the bound over time: lists `"time"`, `"masked_fraction"`, `"bits"`, `"error"`.

    `"bits"` are bits per dimension and unit of time: their integral over time is the bound.
    """
    of = found.curve
    order = np.argsort(of.time, kind="stable")
    columns = of.time, of.masked_fraction, of.nats_per_dim * _BITS, of.error * _BITS
    names = "time", "masked_fraction", "bits", "error"
    return {name: column[order].tolist() for name, column in zip(names, columns, strict=True)}


def tables(found: Nelbo, text_of: Callable[[int], str]) -> dict | None:
    """What positions and token values cost, in bits.

    Args:
        found: a `Nelbo`.
        text_of: function of a token value that returns how it is written.

    Returns:
        `None` if it was measured without tables. Else a dictionary of `"positions"`, the mean of
        each position (of images, of a pixel over its channels) in rows of `"shape"`, `None` where
        nothing is scored; large tables in cells of `"cell"` positions; and of the token values
        that cost most and least among those that occur ten times, `"dearest"` and `"cheapest"`:
        dictionaries of their `"id"`, `"text"`, mean `"bits"`, `"count"`, and `"share"` of all bits.
    """
    if found.tables is None:
        return None
    cells, cell = _cells(found.tables.position_nats, found.tables.position_count)
    positions = [_rounded(bits) if np.isfinite(bits) else None for bits in cells.ravel() * _BITS]
    dearest, cheapest = _tokens(found, text_of)
    shape = list(cells.shape)
    return {"shape": shape, "cell": cell, "positions": positions} | {
        "dearest": dearest,
        "cheapest": cheapest,
    }


def _cells(nats: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Means over cells: `[length]` of text, `[height, width]` of images; and a cell's size."""
    total = np.where(count > 0, nats, 0.0) * count
    if nats.ndim == 3:
        total, count = total.sum(axis=-1), count.sum(axis=-1)  # [height, width]
    most = _CELLS[min(total.ndim, 2)]
    cell = [-(-size // most) for size in total.shape]
    for axis, step in enumerate(cell):
        starts = np.arange(0, total.shape[axis], step)
        total, count = (np.add.reduceat(each, starts, axis=axis) for each in (total, count))
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / count, cell


def _tokens(found: Nelbo, text_of) -> tuple[list[dict], list[dict]]:
    """The rows of the dearest token values, and those of the cheapest, none of them in both."""
    nats, count = found.tables.token_nats, found.tables.token_count
    often = np.flatnonzero(count >= min(_OFTEN, count.max()))
    order = often[np.argsort(-nats[often], kind="stable")]  # dearest first
    rows = min(_ROWS, len(order) // 2)
    whole = float(np.where(count > 0, nats, 0.0) @ count)

    def row(token: int) -> dict:
        value, times = float(nats[token]), int(count[token])
        share = value * times / whole if whole else 0.0
        named = {"id": int(token), "text": text_of(int(token))}
        return named | {"bits": _rounded(value * _BITS), "count": times, "share": _rounded(share)}

    return [row(t) for t in order[:rows]], [row(t) for t in order[::-1][:rows]]


def _rounded(value: float) -> float:
    """Six digits, which is what float32 has."""
    return float(f"{value:.6g}")
