"""Rows whose gaps are filled block by block, where blocks have places of their own in a row.

Each row begins at the block of its first gap. What stands before the present block is finished: it
stays as it is, and so do its keys and values.
"""

import dataclasses

import numpy as np

from md4keras.models.padding import padded_size

_FEWEST = 64


def capacity_for(count: int) -> int:
    """The places of a cache for so many tokens: 64, 128, 192, 256, 384, ...; few are compiled."""
    return _FEWEST * padded_size(-(-max(count, 1) // _FEWEST))


@dataclasses.dataclass
class CachedBlocks:
    """The rows, and which block of each comes next.

    Attributes:
        z: int32 array `[B, L]`, masks in the gaps; they are filled.
        lengths: int array `[B]`, the tokens of each row.
        block_size: int.
        mask_token: int.
        ends: ints, the tokens of which one that is drawn ends a row: after its block all gaps are
            filled with it.
        number: int, how many blocks of each row are done.
    """

    z: np.ndarray
    lengths: np.ndarray
    block_size: int
    mask_token: int
    ends: tuple = ()
    number: int = 0

    def __post_init__(self):
        self.z, masked = self.z.copy(), self.z == self.mask_token
        self._first = masked.argmax(axis=1) // self.block_size  # 0 in a row without a gap
        last = masked.shape[1] - 1 - masked[:, ::-1].argmax(axis=1)
        self._last = np.where(masked.any(axis=1), last // self.block_size, -1)
        self._width = min(self.block_size, self.z.shape[1])

    @property
    def unfinished(self) -> bool:
        """Whether there are gaps left."""
        return bool(self._going_on.any())

    @property
    def begins(self) -> np.ndarray:
        """Where the present block of each row begins, int `[B]`."""
        return (self._first + self.number) * self.block_size

    @property
    def stored(self) -> int:
        """The most tokens that stand before a block that is still to be filled."""
        return int(self.begins[self._going_on].max())

    @property
    def finished_ends(self) -> np.ndarray:
        """Up to where each row is filled, int `[B]`; all of a row that is done."""
        return np.where(self._going_on, np.minimum(self.begins, self.lengths), self.lengths)

    @property
    def last_ends(self) -> np.ndarray:
        """Where the last block of each row ends that has been or is to be drawn, int `[B]`."""
        return np.minimum((self._last + 1) * self.block_size, self.lengths)

    def before(self) -> tuple[np.ndarray, np.ndarray]:
        """The tokens before the first gaps' blocks.

        Returns:
            int32 `[B, C]`, and the number of each one's block, int32 `[B, C]`, -1 behind them.
        """
        places = np.arange(capacity_for(int(self.begins.max())))
        blocks = np.where(places < self.begins[:, None], places // self.block_size, -1)
        tokens = np.zeros(blocks.shape, "int32")
        width = min(tokens.shape[1], self.z.shape[1])
        tokens[:, :width] = self.z[:, :width]
        return np.where(blocks >= 0, tokens, 0), blocks.astype("int32")

    def block(self) -> tuple[np.ndarray, np.ndarray]:
        """The present block of each row, int32 `[B, S]`, and what of it there is, bool `[B, S]`.

        Of a row that is done, tokens that mean nothing.
        """
        real, going_on = self._places < self.lengths[:, None], self._going_on[:, None]
        return np.where(real & going_on, self.present(self.z), 0), real | ~going_on

    def present(self, rows) -> np.ndarray:
        """What rows of the same shape have at the present block, `[B, S]`."""
        return np.take_along_axis(rows, np.minimum(self._places, rows.shape[1] - 1), axis=1)

    def masks_to_come(self) -> list[int]:
        """The most masks in a row of each block after the present one."""
        masked, counts = self.z == self.mask_token, []
        for number in range(self.number + 1, int((self._last - self._first).max(initial=-1)) + 1):
            begins = (self._first + number) * self.block_size
            places = np.arange(masked.shape[1]) - begins[:, None]
            present = masked & (places >= 0) & (places < self.block_size)
            counts.append(int(present.sum(axis=1).max()))
        return counts

    def shown(self, z) -> np.ndarray:
        """The rows with the present block as it is now."""
        rows = self.z.copy()
        places = self._places
        row, column = np.nonzero((places < self.lengths[:, None]) & self._going_on[:, None])
        rows[row, places[row, column]] = z[row, column]
        return rows

    def close(self, z) -> None:
        """Takes over the present block, and goes on to the next."""
        z = z[:, : self._width]
        drawn = (self.block()[0] == self.mask_token) & np.isin(z, self.ends)
        self.z = self.shown(z)
        for row in np.flatnonzero(drawn.any(axis=1)):
            end = z[row, drawn[row].argmax()]
            self.z[row] = np.where(self.z[row] == self.mask_token, end, self.z[row])
            self._last[row] = self._first[row] + self.number
        self.number += 1

    def finished(self) -> np.ndarray:
        """The block that was closed last, int32 `[B, S]`; of a row that is done, some tokens."""
        places = np.clip(self._places - self.block_size, 0, self.z.shape[1] - 1)
        tokens = np.take_along_axis(self.z, places, axis=1)
        return np.where(self._going_on[:, None], tokens, 0)

    @property
    def _going_on(self) -> np.ndarray:
        return self._first + self.number <= self._last

    @property
    def _places(self) -> np.ndarray:
        return self.begins[:, None] + np.arange(self._width)
