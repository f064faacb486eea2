"""Counts of what a command has read of its data, and a fingerprint of it."""

import hashlib

import numpy as np

from md4keras.cli.examples import Examples
from md4keras.cli.text_size import of_rows
from md4keras.data.folders import fingerprint


class Tally:
    """What was read, part by part.

    Args:
        model: for which it is read.

    Attributes:
        text_sizes: list of arrays `[n, 3]`, as `text_size.of_rows` returns them of each part; empty
            for images.
        padding: int, positions that are not scored.
        layout: names of what the model was told of the tokens, such as `"padding_mask"`.
        has_labels: bool, whether it was told classes.
        length: int, of the rows of text; of images how many values one has.
    """

    def __init__(self, model):
        self.model, self.text_sizes, self.padding = model, [], 0
        self.layout, self.has_labels, self.length = set(), False, 0
        self._digests = {}

    def add(self, part: Examples) -> Examples:
        """Counts a part; returns it."""
        if self.model.tokenizer is not None:
            self.text_sizes.append(of_rows(self.model, part))
        self.padding += part.tokens.size - int(part.scored.sum())
        self.layout |= set(part.layout or {})
        self.has_labels |= part.labels is not None
        self.length = int(np.prod(part.tokens.shape[1:]))
        arrays = {"tokens": part.tokens, "labels": part.labels, **(part.layout or {})}
        for name, values in arrays.items():
            if values is not None:
                shape = repr(values.shape[1:]).encode()
                digest = self._digests.setdefault(name, hashlib.sha256(shape))
                digest.update(np.ascontiguousarray(values, "<i4"))
        return part

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all rows in their order, with their labels and layout."""
        return fingerprint((name, digest.hexdigest()) for name, digest in self._digests.items())
