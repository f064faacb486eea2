"""Sources: data of one origin, with what is known of them, split once and for all."""

from typing import Any, NamedTuple


class Splits(NamedTuple):
    """What a source gives: each split a text (str), or images and labels (`(x, y)`).

    Attributes:
        training: to learn from.
        validation: to be measured on, always the same part.
        test: for the last measurement, or `None`.
        class_names: tuple of str, or `None`.
    """

    training: Any
    validation: Any
    test: Any = None
    class_names: tuple[str, ...] | None = None


class Source:
    """Data of one origin. A subclass has a `__call__` that loads them and returns `Splits`.

    Attributes:
        name: str, by which `md4keras.data.get` finds it.
        kind: `"text"` or `"image"`.
        licence: str, of the data.
        home: str, where they come from.
        baselines: tuple of str, the simple models to compare with, of those in
            `md4keras.evaluation.baselines.BASELINES`.
    """

    name = kind = licence = home = ""
    baselines: tuple[str, ...] = ()

    def __repr__(self):
        return f"<md4keras.data.{self.name}: {self.kind}>"
