"""Drawing block by block, where the keys and values of finished blocks are kept.

A block is drawn as an MD4 draws a text, given the finished blocks before it. Under block-causal
attention their keys and values depend on nothing that comes later, so they are computed once, and
the logits are those without a cache.
"""

from collections.abc import Iterator

import numpy as np

from md4keras import backend, distribution
from md4keras.checks import check_whole
from md4keras.models import prompts, validation
from md4keras.models.blocks import Blocks
from md4keras.models.cached_blocks import CachedBlocks, capacity_for
from md4keras.models.cached_calls import CachedCalls
from md4keras.models.gaps import Gaps, find_gaps
from md4keras.models.padding import padded_size
from md4keras.models.prompts import Prompts
from md4keras.models.settings import Settings
from md4keras.samplers import SampleState
from md4keras.samplers.states import Start


class BlockGeneration(CachedCalls):
    """`generate`, `infill` and their like of a model whose blocks see those before them alone.

    The arguments are those of `Generation`, but for `num_steps`, which are those of each block, and
    `block_length`, which is the model's `block_size`. A gap is filled given what stands before its
    block and what is given in it; what stands behind the block is not looked at.
    """

    draws_in_blocks = True
    block_size: int

    def generate_blocks(
        self,
        num_samples: int | None = None,
        length: int | None = None,
        labels=None,
        prompt=None,
        block_length: int | None = None,
        sampler="ancestral",
        num_steps: int = 128,
        temperature: float = 1.0,
        seed: int = 0,
        guidance_scale: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """The run of `generate` as an iterator of blocks, each as soon as it is done.

        Texts may have any length: each block costs a step's call of the network on its own tokens,
        which attend to the keys and values of those before.

        Args:
            num_samples, labels, prompt, sampler, temperature, seed, guidance_scale: as in
                `generate`.
            length: int, tokens to draw in all (the prompt is not counted).
            block_length: int, the model's `block_size`, or `None`.
            num_steps: int, of each block.

        Returns:
            Iterator of int32 arrays `[B, columns]`, `length` columns in all, or fewer where all
            texts have ended before. Blocks have their places in a text, so the first columns
            are what a prompt leaves of its last block (of several, the one that leaves least).

        Raises:
            ValueError: for a bad argument, before any work.

        Example:

        >>> network = md4keras.networks.DiT(5, 8, num_layers=1, num_heads=2, hidden_dim=16)
        >>> model = md4keras.BlockDiffusion(network, block_size=4)
        >>> blocks = model.generate_blocks(length=12, prompt=[[0, 1, 2], [3]], num_steps=2)
        >>> [block.shape for block in blocks]
        [(2, 1), (2, 4), (2, 4), (2, 3)]
        """
        settings = Settings(sampler, num_steps, "cosine", temperature, seed, guidance_scale)
        check_whole("length", length)
        self._check_block_length(block_length)
        asked = prompts.read(self, prompt, num_samples)
        self._check_settings(settings)
        labels = validation.check_sampling_labels(self.network, labels, len(asked.tokens))
        starts = np.array([len(tokens) for tokens in asked.tokens])
        rows = [np.pad(tokens, (0, length)) for tokens in asked.tokens]
        masks = [np.arange(len(row)) >= start for row, start in zip(rows, starts, strict=True)]
        gaps = find_gaps(self.network, rows, masks, labels)._replace(ends=asked.ends)
        return self._columns(self._cached_blocks(gaps, "auto", settings), starts, gaps, settings)

    def _check_block_length(self, block_length) -> None:
        if block_length not in (None, self.block_size):
            raise ValueError(
                "The model has blocks of a size of its own. Expected block_length=None. Received: "
                f"block_length={block_length!r}, block_size={self.block_size}. Leave it out."
            )

    def _check_settings(self, settings: Settings, has_prompt: bool = False) -> None:
        if settings.guidance_scale != 1.0 and not self.network.label_dropout:
            raise ValueError(
                "Guidance needs a network that was trained with and without labels. (In blocks a "
                "prompt will not do: finished blocks hold no masks.) Expected `num_classes` and a "
                "`label_dropout` above 0, such as 0.1. Received: guidance_scale="
                f"{settings.guidance_scale}, label_dropout=0. Use guidance_scale=1."
            )
        super()._check_settings(settings)

    def _blocks(self, asked: Prompts, labels, sizes, settings: Settings) -> Blocks:
        *sizes, block_length = sizes
        self._check_block_length(block_length)
        return super()._blocks(asked, labels, (*sizes, None), settings)

    def _cached_blocks(self, gaps: Gaps, start_time, settings: Settings) -> CachedBlocks:
        """The rows as blocks, with as many rows as are compiled for; all arguments are checked."""
        self._check_settings(settings)
        self._start_times(gaps.fraction, start_time)
        lengths = _lengths(gaps.z, **gaps.batch.layout)
        count, length = gaps.z.shape
        rows = distribution.whole_rows(padded_size(count)) if backend.COMPILES_EACH_SHAPE else count
        z = np.pad(gaps.z, ((0, rows - count), (0, 0)))
        lengths = np.pad(lengths, (0, rows - count), constant_values=length)
        return CachedBlocks(z, lengths, self.block_size, self.mask_token, gaps.ends)

    def path_starts(self, x, start: Start, settings) -> Iterator[tuple[np.ndarray, Start]]:
        """The blocks of `x`, each with its start after those before it."""
        lengths = _lengths(start.z, start.padding_mask, start.segment_ids)
        blocks = CachedBlocks(start.z, lengths, self.block_size, self.mask_token)
        for of_block in self._starts(blocks, start.labels, "auto", settings):
            block = blocks.present(x)
            yield block, of_block
            blocks.close(block)

    def _filled(self, gaps: Gaps, start_time, settings: Settings):
        blocks = self._cached_blocks(gaps, start_time, settings)
        for start in self._starts(blocks, gaps.batch.labels, start_time, settings):
            process, padded = self._process(start, settings)
            blocks.close(process.run(padded, settings))
        return gaps.filled(blocks.z[: len(gaps.z)])

    def _filled_states(self, gaps: Gaps, start_time, settings: Settings) -> Iterator[SampleState]:
        blocks = self._cached_blocks(gaps, start_time, settings)
        return self._states(blocks, gaps, start_time, settings)

    def _states(self, blocks, gaps, start_time, settings) -> Iterator[SampleState]:
        count, done = len(gaps.z), 0
        for start in self._starts(blocks, gaps.batch.labels, start_time, settings):
            process, padded = self._process(start, settings)
            ahead = sum(self._most_calls(masks, settings) for masks in blocks.masks_to_come())
            for state in process.states(padded, settings):
                calls = done + state.calls
                if state.calls or not done:  # else the last state of the block before
                    rows = gaps.filled(blocks.shown(state.tokens)[:count])
                    yield SampleState(rows, calls, done + state.most_calls + ahead)
            blocks.close(state.tokens)
            done = calls
        if ahead:  # all texts have ended
            yield SampleState(gaps.filled(blocks.z[:count]), done, done)

    def _most_calls(self, masks: int, settings: Settings) -> int:
        return settings.sampler.most_calls(np.array([masks]), settings.num_steps) if masks else 0

    def _columns(self, blocks, starts, gaps, settings) -> Iterator[np.ndarray]:
        """The columns behind `starts` that all rows have, as soon as they have them."""
        count, done = len(starts), 0
        for start in self._starts(blocks, gaps.batch.labels, "auto", settings):
            process, padded = self._process(start, settings)
            blocks.close(process.run(padded, settings))
            found = (blocks.finished_ends[:count] - starts).min()
            if not blocks.unfinished:
                found = (blocks.last_ends[:count] - starts).max()
            rows = zip(blocks.z, starts, strict=False)
            yield np.stack([row[first + done : first + found] for row, first in rows])
            done = found

    def _starts(self, blocks: CachedBlocks, labels, start_time, settings) -> Iterator[Start]:
        """The start of each block's run; `blocks.close` takes its end before the next one."""
        rows = len(blocks.z)
        halves = 1 if settings.guidance_scale == 1.0 else 2  # the other half has no label
        if labels is not None:
            labels = np.pad(labels, (0, rows - len(labels)))

        def extended(cache, tokens, numbers=None):
            of_all = labels
            if halves == 2:
                of_all = np.concatenate([labels, np.full(rows, self.network.num_classes)])
            numbers = np.zeros_like(tokens) if numbers is None else numbers
            tokens, numbers = (np.tile(each, (halves, 1)) for each in (tokens, numbers))
            return self._cache_after_arrays(cache, tokens, of_all, numbers)

        tokens, numbers = blocks.before()
        cache = self.network.empty_cache(halves * rows, tokens.shape[1])
        if (numbers >= 0).any():
            cache = extended(cache, tokens, numbers)
        while blocks.unfinished:
            z, real = blocks.block()
            masked = z == self.mask_token
            if masked.any():
                fraction = masked.sum(axis=1) / np.maximum(real.sum(axis=1), 1)
                times = self._start_times(fraction.astype("float32"), start_time)
                times = np.where(fraction > 0, times, 1.0).astype("float32")
                yield Start(z, labels, times, real, cache=cache)
            else:
                blocks.close(z)
            if blocks.unfinished:
                cache = cache.with_capacity(max(cache.capacity, capacity_for(blocks.stored)))
                cache = extended(cache, blocks.finished())


def _lengths(z, padding_mask=None, segment_ids=None) -> np.ndarray:
    """The tokens of each row, int `[B]`, whose padding stands behind them."""
    real = np.ones(z.shape, "bool") if padding_mask is None else padding_mask
    has_holes = (~real[:, :1]).any() or (real[:, 1:] > real[:, :-1]).any()
    if segment_ids is not None or has_holes:
        raise ValueError(
            "Blocks are counted from the beginning of a row. Expected a text a row, with its "
            "padding behind it, without holes. Received: 'segment_ids', or a 'padding_mask' "
            "with False before True. Give texts as a list."
        )
    return real.sum(axis=1)
