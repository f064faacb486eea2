"""Documents as rows of one length: joined and cut, packed, or one a row with padding."""

import bisect

import numpy as np

from md4keras.checks import check_integers, check_name, check_whole
from md4keras.data.batches import batches, check_position
from md4keras.data.joined import Joined
from md4keras.data.packing import PackingPlan
from md4keras.files import import_optional

__all__ = ["Rows"]

WAYS = ("joined", "packed", "padded")
LONG = ("cut", "split")
_MANY = 2**53  # rows without an end


class Rows:
    """A way to make rows of documents.

    - `"joined"`: all documents, one after another, cut into rows; what is left at the end is
      dropped. A row may begin and end within a document, and documents see one another.
    - `"packed"`: several documents to a row, each whole. `segment_ids` tell them apart.
    - `"padded"`: a document a row.

    Each document is followed by the end token, where there is one. A document that is longer than
    a row is cut, so that it and the end token fill one, or split into several pieces that are then
    taken for documents; joined ones need neither.

    Args:
        way: `"joined"`, `"packed"` or `"padded"`.
        sequence_length: int, tokens in a row.
        end_token_id: int, or `None` for no end token.
        padding_id: int, the token that fills up rows; any will do, as it is masked out.
        long: `"cut"` or `"split"`.

    Example:

    >>> rows = Rows("packed", sequence_length=6, end_token_id=0)
    >>> (batch,) = rows.batches([[7, 8], [5], [9, 9, 9]], batch_size=2, training=False)
    >>> batch["tokens"]
    array([[7, 8, 0, 5, 0, 0],
           [9, 9, 9, 0, 0, 0]], dtype=int32)
    >>> batch["segment_ids"]
    array([[1, 1, 1, 2, 2, 0],
           [1, 1, 1, 1, 0, 0]], dtype=int32)
    """

    def __init__(
        self,
        way: str,
        sequence_length: int,
        end_token_id: int | None = None,
        padding_id: int = 0,
        long: str = "cut",
    ):
        self.way = check_name("way", way, WAYS)
        self.long = check_name("long", long, LONG, "'split' keeps all tokens.")
        mend = "A row of 'cut' documents holds a token and the end token."
        least = 1 if end_token_id is None else 2
        self.sequence_length = check_whole("sequence_length", sequence_length, least, mend=mend)
        if end_token_id is not None:
            check_whole("end_token_id", end_token_id, least=0, mend="Or None for no end token.")
        self.end_token_id = end_token_id
        self.padding_id = check_whole("padding_id", padding_id, least=0)

    @classmethod
    def of_tokenizer(cls, way: str, sequence_length: int, tokenizer, long: str = "cut") -> "Rows":
        """Rows with the end token and the padding of a tokenizer, where it has them."""
        end, padding = (getattr(tokenizer, name, None) for name in ("end_token_id", "padding_id"))
        return cls(way, sequence_length, end, padding or 0, long)

    @property
    def cuts(self) -> bool:
        """Whether a document that is longer than a row loses its end."""
        return self.way != "joined" and self.long == "cut"

    def num_cut(self, lengths) -> int:
        """How many documents lose tokens.

        Args:
            lengths: ints `[documents]`, their tokens without the end token.
        """
        if not self.cuts:
            return 0
        longest = self.sequence_length - (self.end_token_id is not None)
        return int((np.asarray(lengths) > longest).sum())

    def batches(
        self,
        documents,
        batch_size: int,
        training: bool,
        seed: int = 0,
        start_batch: int = 0,
        shard: tuple[int, int] = (0, 1),
    ):
        """Batches of rows, in the order that `md4keras.data.batches` says.

        Batch `k` is a function of `(seed, k)` (and of the shard) alone. The position of an
        iterator can be saved, too: Grain's `get_state` and `set_state`.

        Args:
            documents: a list of documents, each ints `[tokens]`, or a split of a prepared data set
                (`md4keras.data.prepared`): anything with `len`, `lengths` (ints `[documents]`) and
                `__getitems__` (of a list of numbers, a list of documents). Empty ones are left
                out.
            batch_size, training, seed, start_batch, shard: as in `md4keras.data.batches`; of
                packed documents each process packs its own.

        Returns:
            A `grain.IterDataset` of dictionaries, as `fit` takes them: int32 `"tokens"`, and of
            packed rows int32 `"segment_ids"`, from 1 the documents of a row and 0 at padding, of
            padded ones bool `"padding_mask"`, `False` there; all `[batch, sequence_length]`.

        Raises:
            ValueError: for arguments that make no sense, or documents that fill no row.
        """
        documents = NotEmpty.of(documents) if hasattr(documents, "lengths") else InMemory(documents)
        check_position(batch_size, seed, start_batch, shard)
        where = (batch_size, training, seed, start_batch, shard)
        make = {"joined": self._joined, "packed": self._packed, "padded": self._padded}[self.way]
        return make(documents, where)

    def _joined(self, documents, where):
        joined, length = Joined(documents, self.end_token_id), self.sequence_length
        self._check_enough(joined.total // length, f"{length} tokens for a row", documents)

        def gather(indices, _):
            starts = np.asarray(indices, "int64") * length  # [batch]
            return {"tokens": np.stack(joined.read(starts, starts + length))}

        return batches(gather, joined.total // length, *where)

    def _padded(self, documents, where):
        lengths = documents.lengths
        if self.long == "split":
            total = np.asarray(lengths, "int64") + (self.end_token_id is not None)
            lasts = np.cumsum(-(-total // self.sequence_length))  # [documents], pieces so far
        else:
            lasts = range(1, len(lengths) + 1)
        self._check_enough(len(lengths), "a token", documents)

        def piece(index):
            document = bisect.bisect_right(lasts, index)
            pieces = self._pieces(int(lengths[document]))
            return document, *pieces[index - int(lasts[document])]  # counted from the last one

        def gather(indices, _):
            return self._fill(documents, [[piece(int(i))] for i in indices])

        return batches(gather, int(lasts[-1]), *where)

    def _packed(self, documents, where):
        batch_size, training, seed, start_batch, shard = where
        self._check_enough(len(documents), "a token", documents)
        order = seed if training else None
        plan = PackingPlan(documents.lengths, self._pieces, self.sequence_length, order, shard)
        first, skipped = plan.find(start_batch * batch_size)
        grain = import_optional("grain", "reads the data")
        experimental = import_optional("grain.experimental", "packs the data", "grain")

        class RowsOfWindow(experimental.FlatMapTransform):
            max_fan_out = _MANY

            def flat_map(self, number):
                return plan.rows(number)[skipped if number == first else 0 :]

        mine = _MANY if training else len(range(shard[0], plan.per_epoch, shard[1]))
        windows = grain.MapDataset.range(first, max(mine, first))
        options = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        rows = experimental.FlatMapIterDataset(windows.to_iter_dataset(options), RowsOfWindow())
        rows = rows.batch(batch_size, batch_fn=list)
        return rows.map(lambda batch: self._fill(documents, batch))

    def _pieces(self, length: int) -> list[tuple[int, int]]:
        """The pieces of a document, with the end token as its last one, as starts and stops."""
        end = self.end_token_id is not None
        if self.long == "split":
            starts = range(0, length + end, self.sequence_length)
            return [(a, min(a + self.sequence_length, length + end)) for a in starts]
        return [(0, min(length + end, self.sequence_length))]

    def _fill(self, documents, rows) -> dict[str, np.ndarray]:
        """A batch of rows, each a list of pieces `(document, start, stop)`."""
        shape = (len(rows), self.sequence_length)
        tokens = np.full(shape, self.padding_id, "int32")
        segment_ids = np.zeros(shape, "int32")
        found = iter(documents.__getitems__([document for row in rows for document, _, _ in row]))
        for row, pieces in enumerate(rows):
            place = 0
            for segment, (_, start, stop) in enumerate(pieces, 1):
                here = slice(place, place + stop - start)
                tokens[row, here] = self._with_end(next(found), stop)[start:stop]
                segment_ids[row, here] = segment
                place = here.stop
        if self.way == "packed":
            return {"tokens": tokens, "segment_ids": segment_ids}
        return {"tokens": tokens, "padding_mask": segment_ids > 0}

    def _with_end(self, document, stop: int | None = None) -> np.ndarray:
        """A document and the end token; of one that is cut, at the cut."""
        if self.end_token_id is None:
            return document
        if self.long == "cut" and stop is not None:
            document = document[: stop - 1]
        return np.append(document, np.int32(self.end_token_id))

    def _check_enough(self, count: int, expected: str, documents) -> None:
        if not count:
            tokens = int(np.sum(documents.lengths, dtype="int64"))
            raise ValueError(
                f"The documents fill no row. Expected at least {expected}. Received: "
                f"{len(documents)} documents of {tokens} tokens in all. Add more text."
            )


class InMemory:
    """Documents in memory as `Rows.batches` takes them.

    Args:
        documents: a list of documents, each ints `[tokens]`.
        keep_empty: bool, whether documents without a token stay.
    """

    def __init__(self, documents, keep_empty: bool = False):
        mend = "Encode each text with a tokenizer: [tokenizer.encode(text) for text in texts]."
        checked = [
            check_integers("documents", document, ("tokens",), mend=mend, least=0).astype("int32")
            for document in documents
        ]
        self.documents = [document for document in checked if keep_empty or len(document)]
        self.lengths = np.array([len(document) for document in self.documents], "int64")

    def __len__(self):
        return len(self.documents)

    def __getitems__(self, numbers):
        return [self.documents[number] for number in numbers]


class NotEmpty:
    """The documents of a prepared data set, but for empty ones, which zero-shot sets may have."""

    def __init__(self, documents, numbers: np.ndarray):
        self.documents, self.numbers = documents, numbers
        self.lengths = np.asarray(documents.lengths)[numbers]

    @classmethod
    def of(cls, documents):
        """These documents, or themselves where none is empty."""
        if np.all(documents.lengths):
            return documents
        return cls(documents, np.flatnonzero(documents.lengths))

    def __len__(self):
        return len(self.numbers)

    def __getitems__(self, numbers):
        return self.documents.__getitems__(self.numbers[np.asarray(numbers, "int64")].tolist())
