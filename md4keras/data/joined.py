"""Documents one after another as one long row of tokens, read from any place of it."""

import numpy as np


class Joined:
    """All documents joined, with the end token after each.

    Nothing is read before it is asked for: the lengths alone say what is where.

    Args:
        documents: as of `Rows.batches`: with `lengths` and `__getitems__`.
        end_token_id: int, or `None` for no token between documents.
        last_end: bool, whether the end token stands after the last document, too, and not only
            between documents.

    Attributes:
        total: int, how many tokens there are.

    Example:

    >>> from md4keras.data.rows import InMemory
    >>> joined = Joined(InMemory([[7, 8], [5]]), end_token_id=0)
    >>> joined.total, [part.tolist() for part in joined.read([0, 1], [4, 5])]
    (5, [[7, 8, 0, 5], [8, 0, 5, 0]])
    """

    def __init__(self, documents, end_token_id: int | None, last_end: bool = True):
        self.documents, self.end_token_id = documents, end_token_id
        ends = np.cumsum(documents.lengths, dtype="int64")
        has_end = end_token_id is not None
        self.ends = ends + np.arange(1, len(ends) + 1) * has_end  # [documents], where each ends
        without = has_end and not last_end
        self.total = max(int(self.ends[-1]) - without, 0) if len(ends) else 0

    def read(self, starts, stops) -> list[np.ndarray]:
        """The tokens from each start up to each stop (ints `[n]`), all of them in one reading."""
        starts, stops = np.asarray(starts, "int64"), np.asarray(stops, "int64")
        first = np.searchsorted(self.ends, starts, "right")
        last = np.searchsorted(self.ends, stops, "left")
        wanted = [range(a, b + 1) for a, b in zip(first, last, strict=True)]
        found = iter(self.documents.__getitems__([int(d) for each in wanted for d in each]))
        parts = []
        for start, stop, each in zip(starts, stops, wanted, strict=True):
            begin = int(self.ends[each[0] - 1]) if each[0] else 0
            joined = np.concatenate([self._with_end(next(found)) for _ in each])
            parts.append(joined[start - begin : stop - begin])
        return parts

    def _with_end(self, document) -> np.ndarray:
        if self.end_token_id is None:
            return document
        return np.append(document, np.int32(self.end_token_id))
