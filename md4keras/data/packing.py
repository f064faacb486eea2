"""Several documents to a row: which of them go together, planned from their lengths alone."""

from collections.abc import Callable

import numpy as np

from md4keras.files import import_optional

WINDOW = 2**14  # documents that are planned together: memory is bounded, little is wasted
_ROUNDS = 4  # of Grain's shuffling of indices


def pack(lengths, row_length: int) -> list[list[int]]:
    """Puts pieces into as few rows as is easy: each into the fullest row that has room for it.

    Args:
        lengths: ints in `[1, row_length]`, `[pieces]`.
        row_length: int, tokens in a row.

    Returns:
        For each row the numbers of its pieces, in order.

    Example:

    >>> pack([5, 4, 3, 2, 2], row_length=8)
    [[0, 2], [1, 3, 4]]
    """
    rows: list[list[int]] = []
    rows_with_room: list[list[int]] = [[] for _ in range(row_length + 1)]  # by free tokens
    rooms = 0  # bit r is set where there are rows with r free tokens
    for piece, length in enumerate(lengths):
        enough = rooms >> length
        if enough:
            room = length + (enough & -enough).bit_length() - 1  # the least that is enough
            row = rows_with_room[room].pop()
            if not rows_with_room[room]:
                rooms ^= 1 << room
        else:
            room, row = row_length, len(rows)
            rows.append([])
        rows[row].append(piece)
        if left := room - length:
            rows_with_room[left].append(row)
            rooms |= 1 << left
    return rows


class PackingPlan:
    """Rows of packed documents, window by window, in an order that is shuffled in training.

    A window is `WINDOW` documents, one after another in the order of an epoch, and no row crosses
    windows; so what is in memory does not grow with the corpus, and row `k` is found from the
    lengths alone, without reading a document.

    Args:
        lengths: ints, tokens of each document, `[documents]`.
        pieces_of: function of a document's length that returns its pieces, pairs of first token
            and end.
        row_length: int, tokens in a row.
        seed: int of the order; `None` for the documents' own.
        shard: `(i, n)`: this process plans windows `i`, `i + n`, ...
    """

    def __init__(
        self,
        lengths,
        pieces_of: Callable[[int], list],
        row_length: int,
        seed: int | None,
        shard: tuple[int, int],
    ):
        self.lengths, self.pieces_of, self.row_length = lengths, pieces_of, row_length
        self.seed, self.shard = seed, shard
        # As many windows an epoch as there are processes at least, so that none goes without.
        count = len(lengths)
        self.per_epoch = max(-(-count // WINDOW), min(shard[1], count))
        self.ends = np.arange(1, self.per_epoch + 1) * count // self.per_epoch

    def rows(self, number: int) -> list[list[tuple[int, int, int]]]:
        """The rows of one of this process's windows: `(document, first token, end)` of each piece.

        Args:
            number: int, the window, counted through all epochs.
        """
        pieces = self._pieces(number)
        return [[pieces[piece] for piece in row] for row in self._packed(pieces)]

    def find(self, row: int) -> tuple[int, int]:
        """The window that holds a row of this process, and how many of its rows come before."""
        number = 0
        while row:  # nothing is planned for the first row
            here = len(self._packed(self._pieces(number)))
            if row < here:
                break
            row, number = row - here, number + 1
        return number, row

    def _packed(self, pieces: list) -> list[list[int]]:
        return pack([stop - start for _, start, stop in pieces], self.row_length)

    def _pieces(self, number: int) -> list[tuple[int, int, int]]:
        epoch, window = divmod(self.shard[0] + number * self.shard[1], self.per_epoch)
        documents = self._documents(epoch, window)
        lengths = np.asarray(self.lengths[documents]).tolist()  # at once: they may be on disk
        return [
            (document, start, stop)
            for document, length in zip(documents.tolist(), lengths, strict=True)
            for start, stop in self.pieces_of(length)
        ]

    def _documents(self, epoch: int, window: int) -> np.ndarray:
        start = 0 if window == 0 else int(self.ends[window - 1])
        places = range(start, int(self.ends[window]))
        if self.seed is None:
            return np.arange(places.start, places.stop)
        shuffle = import_optional("grain.experimental", "shuffles the data", "grain").index_shuffle
        (seed,) = np.random.SeedSequence((self.seed, epoch)).generate_state(1)
        last, seed = len(self.lengths) - 1, int(seed)
        return np.array([shuffle(place, last, seed, _ROUNDS) for place in places])
