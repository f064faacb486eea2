"""Docstrings as the site's reader of them wants them: headings of Keras's as Griffe knows them.

`Call arguments:` is a list of arguments with a title of its own. `Returns:` is text. What follows
`Example:` is indented, so that it is shown as a session of Python, whatever stands between its
lines.
"""

import re

# From `Example:` to the next heading or to what begins a line like one (`Reference: Shi ...`).
EXAMPLE = re.compile(r"^Examples?:\n\n(.*?)(?=^[A-Z][A-Za-z ]*:(?:\s|$)|\Z)", re.M | re.S)
RETURNS = re.compile(r"^(Returns|Yields):\n((?:(?: +.*)?\n)+)", re.M)


def as_google(text: str) -> str:
    """A docstring of this library in Google's form, as Griffe reads it."""
    text = text.replace("\nCall arguments:\n", "\nArgs: Call arguments\n")
    text = RETURNS.sub(lambda found: f"**{found[1]}:**\n\n{_dedented(found[2])}\n", f"{text}\n")
    return EXAMPLE.sub(lambda found: f"Examples:\n\n{_indented(found[1])}\n", text).strip()


def _dedented(lines: str) -> str:
    return re.sub(r"^    ", "", lines, flags=re.M)


def _indented(lines: str) -> str:
    return re.sub(r"^(?=.)", "    ", lines, flags=re.M)
