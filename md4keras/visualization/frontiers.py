"""Pictures of frontiers: two figures of each way of drawing samples against each other."""

import os
from collections.abc import Sequence

from md4keras.checks import is_number
from md4keras.files import import_optional

__all__ = ["plot_frontier"]

_SETTINGS = ("sampler", "time_grid", "guidance_scale")  # those that make a line of their own
_MARKERS = "osD^vPX*"


def plot_frontier(
    rows: Sequence[dict],
    x: str = "unigram_entropy",
    y: str = "generative_perplexity",
    along: str = "temperature",
    path: str | os.PathLike | None = None,
):
    """Draws one figure of each row against another: a line for all rows that differ in one setting.

    Generative perplexity falls with the temperature, and so does the entropy: what is better lies
    below and to the right of the other lines, not at the lowest perplexity. For time, draw
    `x="network_calls"` along `"num_steps"`, and two pictures, one for each figure of quality.

    Args:
        rows: what `md4keras.evaluation.frontier.frontier` yields.
        x, y: names of figures of the rows; where a row has `<name>_error`, it is drawn.
        along: `"temperature"` or `"num_steps"`, the setting along a line; its values stand at the
            points.
        path: where to write the picture; `None` not to.

    Returns:
        A `matplotlib.figure.Figure`, drawn without a screen.

    Raises:
        ImportError: if Matplotlib is missing.
        ValueError: for no rows, or rows without these figures.

    Example:

    >>> rows = [
    ...     {"sampler": "ancestral", "num_steps": 32, "temperature": temperature,
    ...      "unigram_entropy": 4.0 + temperature, "generative_perplexity": 20.0 * temperature}
    ...     for temperature in (0.8, 1.0)
    ... ]
    >>> figure = plot_frontier(rows, path="frontier.png")
    >>> len(figure.axes[0].lines) > 0
    True
    """
    _check(rows, x, y, along)
    figures = import_optional("matplotlib.figure", "draws figures", "matplotlib")
    figure = figures.Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    for number, (label, line) in enumerate(_lines(rows, along).items()):
        line = sorted(line, key=lambda row: row[along])
        points = {name: [row[name] for row in line] for name in (x, y)}
        errors = {name: [row.get(f"{name}_error", 0.0) for row in line] for name in (x, y)}
        axes.errorbar(
            points[x],
            points[y],
            xerr=errors[x] if any(errors[x]) else None,
            yerr=errors[y] if any(errors[y]) else None,
            marker=_MARKERS[number % len(_MARKERS)],
            capsize=2,
            label=label,
        )
        for row in line:
            axes.annotate(
                f"{row[along]:g}",
                (row[x], row[y]),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize="small",
            )
    axes.set_xlabel(_words(x))
    axes.set_ylabel(_words(y))
    axes.set_title(f"numbers: {_words(along)}; {rows[0].get('samples', '?')} samples each")
    axes.legend()
    if path is not None:
        figure.savefig(path)
    return figure


def _lines(rows, along: str) -> dict[str, list]:
    """The rows of each line, by what the line's rows have in common and others do not."""
    names = [
        name
        for name in (*_SETTINGS, "num_steps", "temperature")
        if name != along and len({row.get(name) for row in rows}) > 1
    ]
    lines = {}
    for row in rows:
        label = ", ".join(f"{_words(name)} {row[name]}" for name in names)
        lines.setdefault(label or str(rows[0].get("sampler", "samples")), []).append(row)
    return lines


def _words(name: str) -> str:
    units = {"unigram_entropy": " (bits)"}
    return name.replace("_", " ") + units.get(name, "")


def _check(rows, x: str, y: str, along: str) -> None:
    rows = list(rows)
    for name in (x, y, along):
        lacking = [i for i, row in enumerate(rows) if not is_number(row.get(name))]
        if lacking or not rows:
            known = sorted({key for row in rows for key, value in row.items() if is_number(value)})
            raise ValueError(
                f"The rows cannot be drawn over {name!r}. Expected at least one row, and this "
                f"number in each. Received: {len(rows)} rows, of which {len(lacking)} lack it; "
                f"they have {known}. Name other figures, or make the report with what it needs "
                "(generative perplexity: `causal`)."
            )
