"""Blocks of joined documents that begin and end with the end token, as zero-shot sets are cut."""

from typing import NamedTuple

import numpy as np

from md4keras.checks import check_whole
from md4keras.data.batches import batches, check_position
from md4keras.data.joined import Joined
from md4keras.data.rows import InMemory


class Cut(NamedTuple):
    """How documents fill blocks.

    Attributes:
        blocks: int, how many there are.
        joined: int, tokens of the joined documents, with the end tokens between them.
        dropped: int, those at the end that are in no block.
        padding: int, positions of the last block that hold nothing.
    """

    blocks: int
    joined: int
    dropped: int
    padding: int


class Blocks:
    """A way to make rows of documents, as `Rows` is: the one in which zero-shot sets are measured.

    The documents are joined with the end token between them and cut. Each block begins and ends
    with the end token, so that of `sequence_length` tokens two fewer are of the documents. A last
    short block is dropped; but where it is the only one, it is kept and padded.

    Args:
        sequence_length: int, tokens in a block.
        end_token_id: int, or `None` for none, neither between documents nor in blocks.
        padding_id: int, the token that fills up a block; any will do, as it is masked out.
        ends: bool, whether a block begins and ends with the end token.
        keep_last: bool, whether a last short block is kept and padded in any case.
        between: bool, whether the end token stands between documents.

    Example:

    >>> blocks = Blocks(sequence_length=5, end_token_id=0)
    >>> documents = [[7, 8], [5], [9, 9, 9]]
    >>> (batch,) = blocks.batches(documents, batch_size=4, training=False)
    >>> batch["tokens"]
    array([[0, 7, 8, 0, 0],
           [0, 5, 0, 9, 0]], dtype=int32)
    >>> blocks.cut(documents).dropped
    2

    Reference: the grouping of texts in MDLM, Sahoo et al. 2024, https://arxiv.org/abs/2406.07524
    """

    way = "blocks"

    def __init__(
        self,
        sequence_length: int = 1024,
        end_token_id: int | None = None,
        padding_id: int = 0,
        ends: bool = True,
        keep_last: bool = False,
        between: bool = True,
    ):
        has_end = end_token_id is not None
        self.ends, self.between, self.keep_last = ends and has_end, between and has_end, keep_last
        mend = "A block holds a token, and one more at each of its ends (ends=False: without them)."
        least = 3 if self.ends else 1
        self.sequence_length = check_whole("sequence_length", sequence_length, least, mend=mend)
        if has_end:
            check_whole("end_token_id", end_token_id, least=0, mend="Or None for no end token.")
        self.end_token_id = end_token_id
        self.padding_id = check_whole("padding_id", padding_id, least=0)

    @property
    def inside(self) -> int:
        """How many tokens of a block are of the joined documents."""
        return self.sequence_length - 2 * self.ends

    def cut(self, documents) -> Cut:
        """How documents fill blocks; arguments and errors as of `batches`."""
        return self._cut(self._joined(documents))

    def batches(
        self,
        documents,
        batch_size: int,
        training: bool,
        seed: int = 0,
        start_batch: int = 0,
        shard: tuple[int, int] = (0, 1),
    ):
        """Batches of blocks, in the order that `md4keras.data.batches` says.

        Args:
            documents: as of `Rows.batches`. Empty ones of a prepared data set count: between their
                neighbours there are two end tokens.
            batch_size, training, seed, start_batch, shard: as in `md4keras.data.batches`.

        Returns:
            A `grain.IterDataset` of dictionaries: int32 `"tokens"`, and where a block is padded
            bool `"padding_mask"`, `False` there; all `[batch, sequence_length]`.

        Raises:
            ValueError: for arguments that make no sense, or documents without a token.
        """
        check_position(batch_size, seed, start_batch, shard)
        joined = self._joined(documents)
        cut = self._cut(joined)

        def gather(indices, _):
            starts = np.asarray(indices, "int64") * self.inside
            stops = np.minimum(starts + self.inside, joined.total)
            rows = joined.read(starts, stops)
            if self.ends:
                end = np.array([self.end_token_id], "int32")
                rows = [np.concatenate([end, row, end]) for row in rows]
            tokens = np.full((len(rows), self.sequence_length), self.padding_id, "int32")
            real = np.zeros(tokens.shape, bool)
            for number, row in enumerate(rows):
                tokens[number, : len(row)], real[number, : len(row)] = row, True
            return {"tokens": tokens, "padding_mask": real} if cut.padding else {"tokens": tokens}

        return batches(gather, cut.blocks, batch_size, training, seed, start_batch, shard)

    def _joined(self, documents) -> Joined:
        documents = documents if hasattr(documents, "lengths") else InMemory(documents)
        if not np.any(documents.lengths):
            raise ValueError(
                "The set is empty. Expected a document with a token or more. Received: "
                f"{len(documents)} documents without one. Check where the texts come from."
            )
        end = self.end_token_id if self.between else None
        return Joined(documents, end, last_end=False)

    def _cut(self, joined: Joined) -> Cut:
        whole, rest = divmod(joined.total, self.inside)
        if rest and (self.keep_last or not whole):
            return Cut(whole + 1, joined.total, 0, self.inside - rest)
        return Cut(whole, joined.total, rest, 0)
