"""Sources: data of one origin, with what is known of them, split once and for all."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_MOST_SHOWN = 10  # classes, or bad files


class _Parts(NamedTuple):
    training: Any
    validation: Any
    test: Any = None
    class_names: tuple[str, ...] | None = None


class Stream:
    """Texts that are read anew each time they are iterated over, one after another.

    Args:
        read: function without arguments that returns an iterator.
    """

    def __init__(self, read: Callable[[], Iterator[str]]):
        self.read = read

    def __iter__(self) -> Iterator[str]:
        return self.read()


class Splits(_Parts):
    """What a source gives: each split a text (str), or images and labels (`(x, y)`).

    It unpacks into the first four.

    Attributes:
        training: to learn from.
        validation: to be measured on, always the same part.
        test: for the last measurement, or `None`.
        class_names: tuple of str, or `None`.
        facts: dictionary of JSON values, what was read: `"source"`, `"files"` (of the user's
            own), `"characters"`, `"tokens"`, `"rows"`, `"documents"`, `"pairs"` or `"images"`,
            `"classes"`, `"split"` (a sentence), `"skipped"` (bad files, each with `"name"` and
            `"reason"`), `"ignored"` (files of another kind: their `"count"` and the first ten
            `"names"`), and `"fingerprint"` (SHA-256 of names and contents, whatever the folder's
            place). `describe` makes sentences of them.

    Example:

    >>> splits = md4keras.data.Splits("a text", "and more", facts={"characters": 14})
    >>> training, validation, test, class_names = splits
    >>> splits.describe()
    ['Read data: 14 characters.']
    """

    facts: dict

    def __new__(cls, training, validation, test=None, class_names=None, facts=None):
        splits = super().__new__(cls, training, validation, test, class_names)
        splits.facts = facts or {}
        return splits

    def describe(self) -> list[str]:
        """What was read, in a few lines."""
        return describe(self.facts)


def describe(facts: dict) -> list[str]:
    """What was read, in a few lines, from `Splits.facts`; what they lack is left out.

    Example:

    >>> describe({"source": "mine", "images": 12, "classes": ["cat", "dog"]})
    ['Read mine: 12 images, 2 classes (cat, dog).']
    """
    read = [
        f"{facts[key]:,} {key if facts[key] != 1 else key.removesuffix('s')}"
        for key in ("files", "characters", "images", "rows", "documents", "pairs", "tokens")
        if key in facts
    ]
    if classes := facts.get("classes"):
        shown = ", ".join(classes[:_MOST_SHOWN]) + (", ..." if len(classes) > _MOST_SHOWN else "")
        read.append(f"{len(classes)} {'classes' if len(classes) > 1 else 'class'} ({shown})")
    lines = [f"Read {facts.get('source', 'data')}: {', '.join(read)}."] if read else []
    if "split" in facts:
        lines.append(f"Validation: {facts['split']}.")
    if empty := facts.get("empty"):
        lines.append(f"Left out, {empty:,} empty document{'s' if empty > 1 else ''}.")
    if skipped := facts.get("skipped"):
        shown = "; ".join(f"{bad['name']}: {bad['reason']}" for bad in skipped[:_MOST_SHOWN])
        more = "; ..." if len(skipped) > _MOST_SHOWN else ""
        lines.append(f"Skipped {len(skipped)} that cannot be used ({shown}{more}).")
    ignored = facts.get("ignored") or {"count": 0}
    if ignored["count"]:
        more = ", ..." if ignored["count"] > len(ignored["names"]) else ""
        lines.append(
            f"Not read, {ignored['count']} of another kind: {', '.join(ignored['names'])}{more}."
        )
    return lines


class Source:
    """Data of one origin. A subclass has a `__call__` that loads them and returns `Splits`.

    Attributes:
        name: str, by which `md4keras.data.get` finds it.
        kind: `"text"` or `"image"`.
        licence: str, of the data.
        home: str, where they come from.
        baselines: tuple of str, the simple models to compare with, of those in
            `md4keras.evaluation.baselines.BASELINES`.

    Example:

    >>> source = md4keras.data.get("digits")
    >>> source.name, source.kind, source.licence
    ('digits', 'image', 'CC BY 4.0')
    """

    name = kind = licence = home = ""
    baselines: tuple[str, ...] = ()

    def __repr__(self):
        return f"<md4keras.data.{self.name}: {self.kind}>"
