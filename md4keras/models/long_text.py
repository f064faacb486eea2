"""Text longer than the training length, block by block."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from md4keras import backend
from md4keras.checks import check_whole
from md4keras.models import prefix_cache as prefix
from md4keras.models import prompts, validation
from md4keras.models.blocks import Blocks
from md4keras.models.cached_calls import CachedCalls
from md4keras.models.gaps import Gaps
from md4keras.models.padding import padded_start
from md4keras.models.settings import Settings


class LongText(CachedCalls):
    """`generate_blocks`, the last of the floors under `MD4` and `GenMD4`."""

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
        prefix_cache: bool = False,
    ) -> Iterator[np.ndarray]:
        """Generates text of any length, and yields each block of it as soon as it is done.

        The streaming form of `generate(prompt=...)`, for texts of which nobody knows the end: a
        block is drawn by infilling after the tokens before it, as many as the training length
        leaves room for, and without masks after it. Within a block tokens come in any order; blocks
        from left to right. Prompts of different lengths go on side by side, each with the blocks
        that it has alone.

        Args:
            num_samples: int, `B`; with prompts it may be left out.
            length: int, at least 1, tokens to generate in all (the prompt is not counted).
            labels: as in `generate`.
            prompt: int tokens `[P]` or `[B, P]` to continue, or `B` of them of any lengths, a list;
                or texts or chats, as for `generate`; or `None`.
            block_length: int, at most the training length; `None` for half of it.
            sampler, num_steps, temperature: as in `generate`, for each block.
            guidance_scale: as in `generate`.
            seed: int in `[0, 2**32)`; sample `i` depends on `(seed, i)` alone.
            prefix_cache: bool, an approximation (see `models.prefix_cache`), for a network with
                `features_after` and without time: keys and values of the tokens before a block are
                computed at its start and kept, and each step computes the block alone. They do not
                see what its steps reveal, so the samples are not those of the model itself.

        Returns:
            Iterator of int32 arrays `[B, block]`, `length` columns in all, or fewer where all texts
            have ended before; the blocks after a text's end are filled with it, as in `generate`.

        Raises:
            ValueError: for a bad argument, before any work.

        Example:

        >>> [block.shape for block in model.generate_blocks(2, length=10, num_steps=2)]
        [(2, 4), (2, 4), (2, 2)]
        """
        settings = Settings(sampler, num_steps, "cosine", temperature, seed, guidance_scale)
        check_whole("length", length)
        asked = prompts.read(self, prompt, num_samples)
        texts = asked.tokens
        (window,) = self.network.data_shape
        block_length = max(1, window // 2) if block_length is None else block_length
        check_whole("block_length", block_length, 1, window, "A block is drawn in one window.")
        longest = max(map(len, texts))
        if block_length == window and (longest or length > block_length):
            raise ValueError(
                "A block of the training length leaves no room for the tokens before it. Expected "
                f"block_length < {window}. Received: block_length={block_length}"
            )
        self._check_settings(settings, has_prompt=longest > 0)
        if prefix_cache:
            prefix.check_network(self.network)
        labels = validation.check_sampling_labels(self.network, labels, len(texts))
        lengths = [length] * len(texts)
        blocks = Blocks(self.network, texts, lengths, block_length, labels, window, asked.ends)
        return self._drawn_blocks(blocks, settings, prefix_cache)

    def _drawn_blocks(self, blocks: Blocks, settings, prefix_cache) -> Iterator[np.ndarray]:
        for number, gaps in blocks:
            seed = int(np.random.SeedSequence((settings.seed, number)).generate_state(1)[0])
            own = dataclasses.replace(settings, seed=seed)
            has_prefix = prefix_cache and (gaps.fraction < 1.0).any()
            filled = self._block(gaps, own) if has_prefix else self._filled(gaps, "auto", own)
            yield np.stack(blocks.close(number, filled))

    def _block(self, gaps: Gaps, settings: Settings) -> np.ndarray:
        """The block at the end of each row, given the keys and values of what stands before it."""
        start, size = self._start_of(gaps, "auto"), int((gaps.z == self.mask_token).sum(1).max())
        if backend.COMPILES_EACH_SHAPE:
            start = padded_start(start, self.network)
        start = prefix.start_after(self, start, settings.guidance_scale != 1.0)
        process, padded = self._process(start, settings)
        return process.run(padded, settings)[: len(gaps.z), :size]
