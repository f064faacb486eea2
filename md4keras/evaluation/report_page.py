"""The page of a report: one HTML file without scripts, that needs no other file and no network."""

import base64
import html

from md4keras.evaluation.report_form import Report
from md4keras.evaluation.report_plots import curve_plot, positions_plot
from md4keras.figures import in_words
from md4keras.files import printable

# It comes before all else, and whatever follows, browsers then run no scripts and load nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
BEGIN = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}; form-action \'none\'">\n'
)
_STYLE = """\
:root { color-scheme: light; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 46rem; background: #fff;
  color: #1f2937; font: 16px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; padding-bottom: .3rem;
  border-bottom: 1px solid #e5e7eb; }
p { margin: .4rem 0; }
.quiet, figcaption, th { color: #6b7280; font-size: .875rem; }
.headline { font-size: 2.1rem; font-weight: 600; margin: 1.2rem 0 0; color: #20639b; }
.headline small { font-size: 1rem; font-weight: 400; color: #374151; }
table { border-collapse: collapse; width: 100%; font-size: .94rem; }
table + p { margin-top: 1.4rem; }
th { text-align: left; font-weight: 500; vertical-align: bottom; }
th, td { padding: .32rem .9rem .32rem 0; border-bottom: 1px solid #f0f1f3; }
td { vertical-align: top; overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th.number { white-space: normal; }
.name { color: #6b7280; width: 11rem; overflow-wrap: normal; }
.warnings { background: #fff8e6; border-left: 4px solid #e0a100; padding: .6rem 1rem .6rem 2rem;
  margin: 1.4rem 0 0; border-radius: 3px; }
.warnings li { margin: .25rem 0; }
code, pre { font: .875rem/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: #f6f7f9; padding: .8rem 1rem; border-radius: 4px; white-space: pre-wrap; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
.token { background: #f3f4f6; border-radius: 3px; padding: .05rem .35rem; white-space: pre-wrap; }
.bar { width: 40%; }
.bar div { background: #8fb4d6; height: .8rem; border-radius: 2px; margin-top: .35rem; }
"""
_SIGNS = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5", "\r": "\u240d"}


def page(report: Report) -> str:
    """The page of a report, in HTML; every text of the report is escaped.

    Args:
        report: a `Report`.

    Raises:
        ImportError: without matplotlib.
    """
    title = f"Report: {report.model['name']} on {report.data['name']}"
    parts = [
        _head(report),
        _warnings(report.warnings),
        _figures(report),
        _plots(report),
        _tokens(report.tables),
        _section(
            "Conventions", _pairs((each["name"], each["text"]) for each in report.conventions)
        ),
        _repeating(report),
    ]
    return (
        f'{BEGIN}<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _head(report: Report) -> str:
    row, model, data = report.figures[0], report.model, report.data
    number, _, interval = in_words(row)
    about = f"{model['kind']}, {model['network']}, {model['parameters']:,} parameters"
    examples = f"{data['examples']:,} examples, {data['dimensions']:,} {data['dimension']}s"
    return (
        f"<h1>{_text(model['name'])}</h1>\n"
        f'<p class="quiet">{_text(about)}</p>\n'
        f'<p class="headline">{_text(number)} <small>{_text(row["name"])}</small></p>\n'
        f'<p class="quiet">An upper bound, with its standard error; 95 % interval '
        f"{_text(interval)}</p>\n"
        f"<p>Measured on {_text(data['name'])}: {_text(examples)}.</p>"
    )


def _warnings(sentences: list[str]) -> str:
    if not sentences:
        return ""
    items = "\n".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return f'<ul class="warnings">\n{items}\n</ul>'


def _figures(report: Report) -> str:
    heads = "Figure", "Value and error", "Error of the draws", "95 % interval"
    rows = [(row["name"], *in_words(row)) for row in report.figures]
    found = _table(heads, rows)
    if report.baselines:
        bits = [(each["name"], f"{each['bits']:.4f}") for each in report.baselines]
        found += "\n<p>Simple models on the same split, as the training measured them:</p>\n"
        found += _table(("Model", f"Bits per {report.data['dimension']}"), bits)
    return _section("Figures", found)


def _plots(report: Report) -> str:
    unit = report.data["dimension"]
    found = _figure(
        curve_plot(report.curve),
        f"The bound over time, in bits per {unit}: its integral is the figure above. The band "
        "covers 95 %.",
    )
    if report.tables is not None:
        cell = " x ".join(map(str, report.tables["cell"]))
        each = "" if set(report.tables["cell"]) == {1} else f", means over {cell}"
        what = "a position" if len(report.tables["shape"]) == 1 else "a pixel, over its channels"
        found += _figure(
            positions_plot(report.tables), f"Bits per {unit} by place: the mean of {what}{each}."
        )
    return _section("Where the bits are", found)


def _tokens(tables: dict | None) -> str:
    if tables is None or not tables["dearest"]:
        return ""
    rows = tables["dearest"], tables["cheapest"]
    most = max(row["bits"] for each in rows for row in each)
    parts = [
        f"<p>{title}</p>\n{_token_table(each, most)}"
        for title, each in zip(
            ("Those that cost most:", "Those that cost least:"), rows, strict=True
        )
    ]
    return _section("Token values", "\n".join(parts))


def _token_table(rows: list[dict], most: float) -> str:
    lines = []
    for row in rows:
        shown = "".join(_SIGNS.get(c, c) for c in row["text"])
        width = 100 * min(1.0, max(0.0, row["bits"] / most)) if most > 0 else 0.0
        numbers = f"{row['bits']:.3f}", f"{row['count']:,}", f"{row['share']:.1%}"
        cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
        lines.append(
            f'<tr><td><span class="token">{_text(shown)}</span></td>{cells}'
            f'<td class="bar"><div style="width: {width:.1f}%"></div></td></tr>'
        )
    heads = "".join(f'<th class="number">{h}</th>' for h in ("Bits", "Times", "Of all bits"))
    return f"<table>\n<tr><th>Value</th>{heads}<th></th></tr>\n" + "\n".join(lines) + "\n</table>"


def _repeating(report: Report) -> str:
    model, data = report.model, report.data
    pairs = [
        ("date", report.date),
        *((f"seed of the {name}", str(seed)) for name, seed in report.seeds.items()),
        ("versions", ", ".join(f"{name} {each}" for name, each in report.versions.items())),
        ("weights, SHA-256", model["weights"]),
        ("rows measured, SHA-256", data["fingerprint"]),
        *([("files, SHA-256", data["files"])] if data["files"] else []),
    ]
    command = f"<pre>{_text(report.command)}</pre>\n"
    return _section("Repeat it", command + _pairs(pairs))


def _section(title: str, content: str) -> str:
    return f"<h2>{_text(title)}</h2>\n{content}"


def _pairs(pairs) -> str:
    rows = "\n".join(
        f'<tr><td class="name">{_text(name)}</td><td>{_text(text)}</td></tr>'
        for name, text in pairs
    )
    return f"<table>\n{rows}\n</table>"


def _table(heads, rows) -> str:
    """A table whose first column is text and whose others are numbers."""

    def line(cells, tag: str) -> str:
        first, *rest = map(_text, cells)
        others = "".join(f'<{tag} class="number">{cell}</{tag}>' for cell in rest)
        return f"<tr><{tag}>{first}</{tag}>{others}</tr>"

    lines = [line(heads, "th"), *(line(row, "td") for row in rows)]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _figure(svg: bytes, caption: str) -> str:
    """A plot as an image: what an image is told to do, browsers do not."""
    content = base64.b64encode(svg).decode()
    return (
        f'<figure>\n<img alt="{_text(caption)}" src="data:image/svg+xml;base64,{content}">\n'
        f"<figcaption>{_text(caption)}</figcaption>\n</figure>"
    )


def _text(text: str) -> str:
    return html.escape(printable(text))
