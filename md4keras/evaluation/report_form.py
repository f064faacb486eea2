"""The report of a measurement: its values, and the form that they have.

A form is a function that tells whether a value is good, a dictionary of the forms of all keys, or
one of `Each`, `Named` and `Maybe`.
"""

import dataclasses
import math
from typing import Any, NamedTuple

from md4keras.checks import is_number, is_whole


@dataclasses.dataclass(frozen=True)
class Report:
    """A measurement in JSON values, the same wherever and whenever it is repeated but for `date`.

    Attributes:
        command: str, for a shell, that repeats it.
        date: str, of its end, ISO 8601.
        seeds: dictionary of names and ints.
        versions: dictionary of names and strs: Python, this package, Keras, the backend, NumPy.
        model: dictionary of strs, its `"parameters"` (int), and `"weights"`, SHA-256 of their file.
        data: dictionary: `"name"`; `"fingerprint"`, SHA-256 of the rows that were measured, and
            `"files"`, of the files that they are from, or `None`; how many `"examples"` of
            `"examples_in_all"` (`None` where nobody knows) and `"dimensions"` (scored positions);
            `"dimension"`, what such a position is; positions that are `"left_out"` at the end and
            that are `"padding"`; `"training"`, what the data are to the model: its `"held out"`
            data, these `"changed"` since, `"other"` data, or `"unknown"`.
        settings: dictionary of `"num_draws"`, `"timesteps"` (`None`: continuous time), `"limit"`
            (`None`: all examples).
        conventions: list of dictionaries of a `"name"` and a `"text"`, one or more sentences.
        figures: list of rows as `report_parts.figures` makes them; bits per dimension come first.
        baselines: list of dictionaries, the `"name"` of a simple model, and its `"bits"` per
            dimension.
        curve: what `report_parts.curve` returns.
        tables: what `report_parts.tables` returns, or `None`.
        warnings: list of strs, what `report_warnings.find_warnings` returns.
    """

    command: str
    date: str
    seeds: dict
    versions: dict
    model: dict
    data: dict
    settings: dict
    conventions: list
    figures: list
    baselines: list
    curve: dict
    tables: dict | None = None
    warnings: list = dataclasses.field(default_factory=list)


_MOST_TEXT = 20_000  # characters
_MOST_CELLS = 64 * 64  # of a table by position


class Each(NamedTuple):
    """A list of `most` values at most, each of this form."""

    form: Any
    most: int = 100


class Named(NamedTuple):
    """A dictionary of any keys, 100 at most, whose values have this form."""

    form: Any


class Maybe(NamedTuple):
    """A value of this form, or `None`."""

    form: Any


def text(value) -> bool:
    """A string that is not long."""
    return isinstance(value, str) and len(value) <= _MOST_TEXT


def whole(value) -> bool:
    """A whole number from 0 that 64 bits hold."""
    return is_whole(value) and 0 <= value < 2**63


def number(value) -> bool:
    """A finite number."""
    return is_number(value) and abs(value) < 2**1023 and math.isfinite(value)


def error(value) -> bool:
    """A finite number of at least 0."""
    return number(value) and value >= 0


_ROW = {
    "name": text,
    "unit": text,
    "value": number,
    "error": error,
    "error_of_draws": error,
    "interval": Each(number, 2),
}
_TOKENS = Each({"id": whole, "text": text, "bits": number, "count": whole, "share": number})
FORM = {
    "command": text,
    "date": text,
    "seeds": Named(whole),
    "versions": Named(text),
    "model": {
        "name": text,
        "kind": text,
        "network": text,
        "tokenizer": Maybe(text),
        "parameters": whole,
        "weights": text,
    },
    "data": {
        "name": text,
        "fingerprint": text,
        "files": Maybe(text),
        "examples": whole,
        "examples_in_all": Maybe(whole),
        "dimensions": whole,
        "dimension": text,
        "left_out": whole,
        "padding": whole,
        "training": text,
    },
    "settings": {"num_draws": whole, "timesteps": Maybe(whole), "limit": Maybe(whole)},
    "conventions": Each({"name": text, "text": text}),
    "figures": Each(_ROW),
    "baselines": Each({"name": text, "bits": number}),
    "curve": {name: Each(number, 100_000) for name in ("time", "masked_fraction", "bits", "error")},
    "tables": Maybe(
        {
            "shape": Each(whole, 2),
            "cell": Each(whole, 2),
            "positions": Each(Maybe(number), _MOST_CELLS),
            "dearest": _TOKENS,
            "cheapest": _TOKENS,
        }
    ),
    "warnings": Each(text),
}


def check(values, where: str) -> None:
    """Raises a `ValueError` that names the first value that has not its form.

    Args:
        values: what `json.loads` returned.
        where: str, whose values they are, for the message.
    """
    wrong = _wrong(values, FORM) or _of_other_lengths(values)
    if wrong:
        name, expected = wrong
        raise ValueError(
            f"The report is damaged: {name or 'it'} is not what it should be. Expected {expected}. "
            f"Received: {where}. Write it anew: md4keras evaluate MODEL --report."
        )


def _wrong(value, form, name: str = "") -> tuple[str, str] | None:
    """The name of the first value that has another form, and what was expected."""
    if isinstance(form, Maybe):
        return None if value is None else _wrong(value, form.form, name)
    if isinstance(form, Each):
        if not isinstance(value, list) or len(value) > form.most:
            return name, f"a list of {form.most:,} entries at most"
        parts = [(f"{name}[{number}]", each, form.form) for number, each in enumerate(value)]
    elif isinstance(form, Named):
        if not isinstance(value, dict) or len(value) > 100 or not all(map(text, value)):
            return name, "a dictionary of 100 entries at most"
        parts = [(f"{name}.{key}"[:100], each, form.form) for key, each in value.items()]
    elif isinstance(form, dict):
        if not isinstance(value, dict) or value.keys() != form.keys():
            return name, f"a dictionary of {', '.join(form)}"
        parts = [(f"{name}.{key}".lstrip("."), value[key], form[key]) for key in form]
    else:
        return None if form(value) else (name, form.__doc__.rstrip(".").lower())
    return next((wrong for part in parts if (wrong := _wrong(part[1], part[2], part[0]))), None)


def _of_other_lengths(values: dict) -> tuple[str, str] | None:
    """As `_wrong`, of lists that belong together."""
    rows, curve, tables = values["figures"], values["curve"], values["tables"]
    if not rows or any(len(row["interval"]) != 2 for row in rows):
        return "figures", "one row or more, with both ends of its interval"
    if len({len(points) for points in curve.values()}) > 1 or not curve["time"]:
        return "curve", "lists of one length, of a point or more"
    if tables is not None:
        shape = tables["shape"]
        if not shape or math.prod(shape) != len(tables["positions"]) or 0 in shape:
            return "tables", f"positions of shape {shape}"
        if len(tables["cell"]) != len(shape):
            return "tables.cell", "a size for each axis"
    return None
