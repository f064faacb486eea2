"""Texts that grow block by block from left to right; within a block tokens come in any order.

Each text is a row: its prompt, what was drawn so far, and masks. Either all masks that are to come
stand in the row, and the blocks after the present one stay masked (`window=None`: the network
knows how long the text will be, as in LLaDA); or a window of the row ends with the present block
and goes along with it, so that texts of any length cost no more for each block.

Reference: Nie et al. 2025, *Large Language Diffusion Models* (arXiv 2502.09992), Section 2.4,
Algorithms 4 and 5, Appendix B.4.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from md4keras.models.gaps import Gaps, check_lengths, find_gaps


@dataclasses.dataclass
class Blocks:
    """The texts, and what is to be drawn next.

    Attributes:
        network: a network.
        texts: list of int32 arrays, the prompts; they grow.
        lengths: ints, the tokens that are to be drawn of each text. More than one block: all alike.
        block_length: int.
        labels: as for `find_gaps`.
        window: int, the tokens that the network sees; `None` for the whole rows.
        ends: ints, the tokens that end a text.
    """

    network: Any
    texts: list
    lengths: list
    block_length: int
    labels: Any = None
    window: int | None = None
    ends: tuple = ()

    def __post_init__(self):
        self.texts = list(self.texts)
        self._prompts = [len(text) for text in self.texts]
        self._end_of: list[int | None] = [None] * len(self.texts)  # the token that ended a text

    @property
    def count(self) -> int:
        """The number of blocks."""
        return -(-max(self.lengths) // self.block_length)

    def share_of_steps(self, number: int, num_steps: int) -> int:
        """How many of `num_steps` a block takes, at least one."""
        before, after = (n * num_steps // self.count for n in (number, number + 1))
        return max(1, after - before)

    def __iter__(self) -> Iterator[tuple[int, Gaps]]:
        """Each block's number and rows, until all texts have ended; `close` it before the next."""
        for number in range(self.count):
            if None not in self._end_of:
                return
            yield number, self.gaps(number)

    def gaps(self, number: int) -> Gaps:
        """The rows with masks in this block, and in those ahead."""
        rows, masks, ahead, prompts = [], [], [], []
        for text, length, prompt in zip(self.texts, self.lengths, self._prompts, strict=True):
            size, later = self._sizes(number, length)
            first = 0 if self.window is None else max(0, len(text) - (self.window - size))
            context = text[first:]
            place = np.arange(len(context) + size + later)
            rows.append(np.pad(context, (0, size + later)))
            masks.append(place >= len(context))
            ahead.append(place >= len(context) + size)
            prompts.append(place < prompt - first)
        gaps = find_gaps(self.network, rows, masks, self.labels)
        whole = self.window is None and self.count > 1
        ahead = _stacked(ahead) if whole else None
        return gaps._replace(ahead=ahead, prompt=_stacked(prompts), ends=self.ends)

    def shown(self, rows) -> list[np.ndarray]:
        """Rows of this block with the end token in all that follows the block of a text's end."""
        return [
            row if end is None else np.pad(text, (0, len(row) - len(text)), constant_values=end)
            for row, text, end in zip(rows, self.texts, self._end_of, strict=True)
        ]

    def close(self, number: int, rows) -> list[np.ndarray]:
        """Takes over a block from its rows, in which it was drawn; returns it, `[size]` each.

        Of a text that ended in a block before it, it is nothing but the end.
        """
        blocks = []
        for i, (row, length) in enumerate(zip(rows, self.lengths, strict=True)):
            size, later = self._sizes(number, length)
            block, end = row[len(row) - later - size : len(row) - later], self._end_of[i]
            if end is not None:
                block = np.full_like(block, end)
            elif (is_end := np.isin(block, self.ends)).any():
                self._end_of[i] = int(block[is_end.argmax()])
            self.texts[i] = np.concatenate([self.texts[i], block])
            blocks.append(block)
        return blocks

    def complete(self) -> list[np.ndarray]:
        """The texts at their full length, those that ended before it filled with their end."""
        missing = [
            prompt + length - len(text)
            for text, length, prompt in zip(self.texts, self.lengths, self._prompts, strict=True)
        ]
        return [
            np.pad(text, (0, more), constant_values=end or 0)
            for text, more, end in zip(self.texts, missing, self._end_of, strict=True)
        ]

    def _sizes(self, number: int, length: int) -> tuple[int, int]:
        """The tokens of a block, and those ahead of it in the row."""
        left = length - number * self.block_length
        size = min(self.block_length, left)
        return size, 0 if self.window is not None else left - size


def lengths_after(network, texts, data_shape=None, length=None) -> list[int]:
    """The tokens to draw after each prompt.

    Args:
        network: a network of text.
        texts: list of arrays, the prompts.
        data_shape, length: as for `generate`.

    Raises:
        ValueError: for a bad argument, or prompts that leave no room.
    """
    if data_shape is not None:
        raise ValueError(
            "With a prompt, or in blocks, `length` says how many tokens are drawn. Expected no "
            f"`data_shape`. Received: data_shape={data_shape!r}. Give `length`."
        )
    if length is not None:
        lengths = check_lengths(length, len(texts))
        return [length] * len(texts) if lengths is None else lengths
    (usual,) = network.data_shape
    found = [usual - len(text) for text in texts]
    if min(found) < 1:
        raise ValueError(
            f"A prompt takes all of the training length, {usual} tokens. Expected `length`, the "
            f"tokens after it. Received: length=None, a prompt of {usual - min(found)} tokens. "
            "Give `length`, or take `generate_blocks`, whose window goes along with the text."
        )
    return found


def as_rows(rows: list, length=None):
    """Rows as an array; where they have lengths of their own (or asked for some), as a list."""
    if np.ndim(length) or len({len(row) for row in rows}) > 1:
        return list(rows)
    return np.stack(rows)


def _stacked(masks: list[np.ndarray]) -> np.ndarray:
    """Masks of rows of different lengths, bool `[B, L]`; `False` behind the shorter ones."""
    longest = max(map(len, masks))
    return np.stack([np.pad(mask, (0, longest - len(mask))) for mask in masks])
