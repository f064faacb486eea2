"""Text longer than the training length, block by block."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from md4keras.checks import check_whole
from md4keras.models import prompts, validation
from md4keras.models.blocks import Blocks
from md4keras.models.generation import Generation, Settings


class LongText(Generation):
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
        labels = validation.check_sampling_labels(self.network, labels, len(texts))
        lengths = [length] * len(texts)
        blocks = Blocks(self.network, texts, lengths, block_length, labels, window, asked.ends)
        return self._drawn_blocks(blocks, settings)

    def _drawn_blocks(self, blocks: Blocks, settings: Settings) -> Iterator[np.ndarray]:
        for number, gaps in blocks:
            seed = int(np.random.SeedSequence((settings.seed, number)).generate_state(1)[0])
            filled = self._filled(gaps, "auto", dataclasses.replace(settings, seed=seed))
            yield np.stack(blocks.close(number, filled))
