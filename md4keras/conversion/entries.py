"""The entries of a published configuration: their names, defaults and what they may be.

A table is a dictionary from names to `(default, (test, expectation in words))`.
"""

from collections.abc import Mapping

import numpy as np

from md4keras.checks import is_number, is_whole

_NAMED = 64  # names in a message, at most

BOOL = (lambda value: isinstance(value, (bool, np.bool_)), "True or False")


def at_least(least: int):
    return lambda value: is_whole(value) and value >= least, f"an int, at least {least}"


def between(least: int, most: int):
    return (
        lambda value: is_whole(value) and least <= value <= most,
        f"an int from {least} to {most}",
    )


def one_of(*names: str):
    return lambda value: isinstance(value, str) and value in names, f"one of {names}"


def number(interval):
    return lambda value: is_number(value) and value in interval, f"a number {interval}"


def only(*values):
    """These values alone (`1` is not `True`): what else there is, is not converted."""
    words = " or ".join(map(repr, values))
    return lambda value: any(type(value) is type(v) and value == v for v in values), words


def optional(kind):
    """As another kind, or `None`."""
    is_valid, expectation = kind
    return lambda value: value is None or is_valid(value), f"{expectation}, or None"


def some(names) -> str:
    """The first of many names, in order, and how many more there are."""
    names = sorted(map(str, names))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{[name[:100] for name in names[:_NAMED]]}{more}"


def check_mapping(name: str, value) -> None:
    """Raises a `ValueError` if the value is no dictionary."""
    if not isinstance(value, Mapping):
        raise ValueError(
            f"`{name}` must be a dictionary by published names. "
            f"Received: {name} of type {type(value).__name__}. Read it from the checkpoint."
        )


def complete(given: dict, known: dict, what: str) -> dict:
    """All entries: those given, checked, and the published defaults of the others.

    Args:
        given: dictionary from names to values.
        known: dictionary, the table.
        what: str, what an entry is called, such as `"config setting"`.

    Raises:
        ValueError: for an unknown or missing entry, or a value that makes no sense.
    """
    unknown = set(given) - set(known)
    if unknown:
        raise ValueError(
            f"Unknown {what}s. Expected names among {[*known]}. "
            f"Received: {some(unknown)}. Remove or rename them."
        )
    entries = {name: given.get(name, default) for name, (default, _) in known.items()}
    for name, (_, (is_valid, expectation)) in known.items():
        value = entries[name]
        if not is_valid(value):
            default = "" if name in given else " (by default)"
            raise ValueError(
                f"The {what} `{name}` has a wrong value. Expected {expectation}. Received: {name}="
                f"{value!r:.100}{default}. Give the value that the checkpoint was trained with."
            )
    return entries
