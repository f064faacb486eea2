"""Examples that a command measures: tokens, and what a model is told of them."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from md4keras.evaluation.per_value import scored_positions


class Origin(NamedTuple):
    """Where examples are from.

    Attributes:
        files: str, fingerprint of the files, or `None`.
        training: str, what they are to the model: the `"held out"` part of the data of its
            training, that of these data as they have `"changed"` since, `"other"` data, or
            `"unknown"`.
    """

    files: str | None = None
    training: str = "unknown"


class Examples(NamedTuple):
    """Examples to be measured.

    Attributes:
        tokens: int `[n, *data_shape]`.
        labels: int32 `[n]`, or `None`.
        name: str, what they are, for people.
        left_out: int, tokens at the end of a text that fill no window.
        layout: dictionary of what else `model.score` is told of the tokens, such as
            `"padding_mask"`; `None` for nothing.
        facts: dictionary in JSON values, how a zero-shot set was made into rows, see
            `md4keras.data.zero_shot`; empty for other data.
        origin: an `Origin`.
    """

    tokens: np.ndarray
    labels: np.ndarray | None
    name: str
    left_out: int = 0
    layout: dict | None = None
    facts: dict = {}
    origin: Origin = Origin()

    @classmethod
    def together(cls, parts: Iterable["Examples"]) -> "Examples":
        """The examples of several parts, at least one, alike but for these."""
        parts = list(parts)
        first = parts[0]
        labels = None if first.labels is None else np.concatenate([part.labels for part in parts])
        layout = {
            name: np.concatenate([part.layout[name] for part in parts])
            for name in first.layout or {}
        }
        tokens = np.concatenate([part.tokens for part in parts])
        return first._replace(tokens=tokens, labels=labels, layout=layout or None)

    def come_from(self, origin: Origin) -> "Examples":
        """The same examples, of which it is known where they are from."""
        return self._replace(origin=origin)

    @property
    def in_all(self) -> int:
        """How many there are."""
        return len(self.tokens)

    def parts(self, limit: int | None = None) -> Iterator["Examples"]:
        """The examples, of which `limit` at most, as the only part; see `ExampleStream`."""
        yield self.first(limit)

    def first(self, count: int | None) -> "Examples":
        """The first examples alone, or all of them."""
        labels = None if self.labels is None else self.labels[:count]
        layout = {name: values[:count] for name, values in (self.layout or {}).items()}
        return self._replace(tokens=self.tokens[:count], labels=labels, layout=layout or None)

    @property
    def entries(self):
        """What `model.score` takes."""
        return {"tokens": self.tokens, **self.layout} if self.layout else self.tokens

    @property
    def scored(self) -> np.ndarray:
        """Which tokens are scored, bool like them."""
        return scored_positions(self.entries)


class ExampleStream:
    """Examples that are read a part at a time, since memory may not hold all of them.

    Args:
        name: str, what they are, for people.
        read: function without arguments that returns an iterator of `Examples`.
        left_out, facts: as of `Examples`.

    Attributes:
        origin: an `Origin`.
        in_all: int, how many there are; `None` as long as they were not all read.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], Iterator[Examples]],
        left_out: int = 0,
        facts: dict | None = None,
    ):
        self.name, self.read, self.in_all = name, read, None
        self.left_out, self.facts, self.origin = left_out, facts or {}, Origin()

    def come_from(self, origin: Origin) -> "ExampleStream":
        """The same stream, of which it is known where the examples are from."""
        self.origin = origin
        return self

    def parts(self, limit: int | None = None) -> Iterator[Examples]:
        """The examples in order, of which `limit` at most."""
        count = 0
        for part in self.read():
            if limit is not None and count >= limit:
                return
            yield part.first(None if limit is None else limit - count)
            count += len(part.tokens)
        self.in_all = count
