"""Text longer than the training length, block by block."""

import dataclasses

import numpy as np

from md4keras.models import sampling_checks, validation
from md4keras.models.sampling import SamplingSettings


class BlockSampling:
    """`generate_blocks` of a model with `generate` and `infill`."""

    def generate_blocks(
        self,
        num_samples: int,
        length: int,
        labels=None,
        prompt=None,
        block_length: int | None = None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        guidance_scale: float = 1.0,
    ):
        """Generates text of any length, and yields each block as soon as it is done.

        A block is drawn by infilling after the tokens before it, as many as the training length
        leaves room for. Within a block tokens come in any order; blocks from left to right.

        Args:
            num_samples: int, `B`.
            length: int, tokens to generate in all (the prompt is not counted).
            labels: as in `generate`.
            prompt: int tokens `[P]` or `[B, P]` to continue, or `None`.
            block_length: int, at most the training length; `None` for half of it.
            sampler, num_steps, time_grid, temperature, guidance_scale: as in `generate`, for each
                block.
            seed: int in `[0, 2**32)`; sample `i` depends on `(seed, i)` alone.

        Yields:
            int32 arrays `[B, block]`, `length` columns in all.

        Raises:
            ValueError: for a bad argument, before any work.
        """
        validation.check_positive_int("num_samples", num_samples)
        validation.check_positive_int("length", length)
        window = sampling_checks.check_text_length(self.network)
        block_length = max(1, window // 2) if block_length is None else block_length
        validation.check_positive_int("block_length", block_length)
        text = sampling_checks.check_prompt(self.network, prompt, num_samples)
        if block_length == window and (text.shape[1] or length > block_length):
            raise ValueError(
                "A block of the training length leaves no room for the tokens before it. Expected "
                f"block_length < {window}. Received: block_length={block_length}"
            )
        if block_length > window:
            raise ValueError(
                "A block is drawn in one window of the training length. Expected block_length <= "
                f"{window}. Received: block_length={block_length}"
            )
        labels = sampling_checks.check_sampling_labels(self.network, labels, num_samples)
        settings = SamplingSettings(
            sampler, num_steps, time_grid, temperature, guidance_scale, seed
        )
        sampling_checks.check_guidance(self.network, guidance_scale)
        settings.sampler.check_schedule(self.schedule)
        return self._blocks(text, length, labels, (window, block_length), settings)

    def _blocks(self, text, length, labels, sizes, settings):
        window, block_length = sizes
        for number, start in enumerate(range(0, length, block_length)):
            size = min(block_length, length - start)
            context = text[:, max(0, text.shape[1] - (window - size)) :]
            tokens = np.pad(context, ((0, 0), (0, size)))
            mask = np.arange(tokens.shape[1]) >= context.shape[1]
            seed = int(np.random.SeedSequence((settings.seed, number)).generate_state(1)[0])
            block = self._infill(tokens, mask, labels, dataclasses.replace(settings, seed=seed))
            text = np.concatenate([text, block[:, -size:]], axis=1)[:, -window:]
            yield block[:, -size:]
