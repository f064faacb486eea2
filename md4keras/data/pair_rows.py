"""Prompts and answers as rows: a pair a row, the prompt given, what is left padded."""

import numpy as np

from md4keras import tokenizers
from md4keras.checks import check_whole
from md4keras.data.batches import batches
from md4keras.data.rows import Rows


def encode_pairs(tokenizer, pairs) -> list[tuple[np.ndarray, np.ndarray]]:
    """Prompts and answers as tokens.

    Args:
        tokenizer: one that knows their characters.
        pairs: a list of pairs of strings.

    Returns:
        A list of pairs of ints `[tokens]`, as `PairRows.batches` takes them.

    Example:

    >>> (pair,) = encode_pairs(md4keras.tokenizers.CharacterTokenizer(), [("one and one", "two")])
    >>> pair[1].tolist()
    [20, 23, 15]
    """
    columns = (tokenizers.encode_batch(tokenizer, each) for each in zip(*pairs, strict=True))
    return list(zip(*columns, strict=True))


class PairRows:
    """A way to make rows of pairs: the prompt, the answer, and end tokens where there are any.

    In training, end tokens are a part of the answer: all of them are scored, and a model learns to
    end its answer in a gap that is longer. How many follow is drawn anew each time, all numbers
    that fit being equally likely, so that the length of a gap tells nothing of that of the answer
    but that it fits. Outside training there is one.

    A pair that is longer than a row loses the beginning of its prompt, but keeps half a row of it;
    then the end of its answer.

    Args:
        rows: `Rows("padded", ...)`, with the length of a row, the end token and the padding.
        max_ends: int, the most end tokens that follow an answer in training; `None` for as many as
            fit into the row. With 1, a gap is taken to be as long as its answer and one end.

    Example:

    >>> rows = PairRows(Rows("padded", 6, end_token_id=0))
    >>> (batch,) = rows.batches([([7, 8], [5]), ([9], [6, 6, 6])], batch_size=2, training=False)
    >>> batch["tokens"]
    array([[7, 8, 5, 0, 0, 0],
           [9, 6, 6, 6, 0, 0]], dtype=int32)
    >>> batch["given"].astype(int)
    array([[1, 1, 0, 0, 0, 0],
           [1, 0, 0, 0, 0, 0]])
    >>> batch["padding_mask"].astype(int)
    array([[1, 1, 1, 1, 0, 0],
           [1, 1, 1, 1, 1, 0]])

    Reference: Nie et al. 2025, *Large language diffusion models* (arXiv 2502.09992), Section 2.3,
    where the longest pair of a batch says how many ends follow the others.
    """

    def __init__(self, rows: Rows, max_ends: int | None = None):
        if max_ends is not None:
            check_whole("max_ends", max_ends, mend="Or None for as many as fit into a row.")
        self.rows, self.max_ends = rows, max_ends

    @property
    def sequence_length(self) -> int:
        """Tokens in a row."""
        return self.rows.sequence_length

    def batches(
        self,
        pairs,
        batch_size: int,
        training: bool,
        seed: int = 0,
        start_batch: int = 0,
        shard: tuple[int, int] = (0, 1),
    ):
        """Batches of rows, in the order that `md4keras.data.batches` says.

        Args:
            pairs: a list of pairs, ints `[tokens]` of the prompt and of the answer, which has one.
            batch_size, training, seed, start_batch, shard: as of `md4keras.data.batches`.

        Returns:
            A `grain.IterDataset` of dictionaries, as `fit` takes them: int32 `"tokens"`, and bool
            `"padding_mask"` (`False` at padding) and `"given"` (`True` at the prompt), all
            `[batch, sequence_length]`.
        """

        def gather(indices, rng):
            shape = (len(indices), self.sequence_length)
            tokens = np.full(shape, self.rows.padding_id, "int32")
            padding_mask, given = np.zeros(shape, bool), np.zeros(shape, bool)
            for row, index in enumerate(indices):
                prompt, answer = self.cut(*pairs[index])
                answer = np.append(answer, self._more_ends(len(prompt) + len(answer), rng))
                stop = len(prompt) + len(answer)
                tokens[row, :stop] = np.concatenate([prompt, answer])
                padding_mask[row, :stop], given[row, : len(prompt)] = True, True
            return {"tokens": tokens, "padding_mask": padding_mask, "given": given}

        return batches(gather, len(pairs), batch_size, training, seed, start_batch, shard)

    def cut(self, prompt, answer) -> tuple[np.ndarray, np.ndarray]:
        """A pair as it stands in a row."""
        length, end = self.sequence_length, self.rows.end_token_id
        answer = np.append(answer, [] if end is None else [end]).astype("int32")
        room = max(length - len(answer), length // 2)
        prompt = np.asarray(prompt, "int32")[max(0, len(prompt) - room) :]
        return prompt, answer[: length - len(prompt)]

    def _more_ends(self, length: int, rng: np.random.Generator | None) -> np.ndarray:
        """End tokens beyond those of a pair of so many tokens; without `rng` none."""
        end, most = self.rows.end_token_id, self.sequence_length - length
        if rng is None or end is None:
            return np.zeros(0, "int32")
        if self.max_ends is not None:
            most = min(most, self.max_ends - 1)
        return np.full(rng.integers(most + 1), end, "int32")

    def is_cut(self, prompt, answer) -> bool:
        """Whether a pair loses tokens."""
        end = self.rows.end_token_id is not None
        return len(prompt) + len(answer) + end > self.sequence_length
