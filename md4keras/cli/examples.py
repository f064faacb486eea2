"""Examples that a command measures: tokens, and what a model is told of them."""

from typing import NamedTuple

import numpy as np

from md4keras.evaluation.likelihood import scored_positions


class Examples(NamedTuple):
    """Examples to be measured.

    Attributes:
        tokens: int `[n, *data_shape]`.
        labels: int32 `[n]`, or `None`.
        name: str, what they are, for people.
        left_out: int, tokens at the end of a text that fill no window.
        layout: dictionary of what else `model.score` is told of the tokens, such as
            `"padding_mask"`; `None` for nothing.
    """

    tokens: np.ndarray
    labels: np.ndarray | None
    name: str
    left_out: int = 0
    layout: dict | None = None

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
