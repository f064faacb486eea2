"""Text longer than the training length, block by block."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from md4keras.checks import as_array, check_whole
from md4keras.models import batches, validation
from md4keras.models.gaps import find_gaps
from md4keras.models.generation import Generation, Settings


class LongText(Generation):
    """`generate_blocks`, the last of the floors under `MD4` and `GenMD4`."""

    def generate_blocks(
        self,
        num_samples: int,
        length: int,
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

        A block is drawn by infilling after the tokens before it, as many as the training length
        leaves room for. Within a block tokens come in any order; blocks from left to right.
        Prompts of different lengths go on side by side, each with the blocks that it has alone.

        Args:
            num_samples: int, `B`.
            length: int, tokens to generate in all (the prompt is not counted).
            labels: as in `generate`.
            prompt: int tokens `[P]` or `[B, P]` to continue, or `B` of them of any lengths, a list;
                or `None`.
            block_length: int, at most the training length; `None` for half of it.
            sampler, num_steps, temperature, guidance_scale: as in `generate`, for each block.
            seed: int in `[0, 2**32)`; sample `i` depends on `(seed, i)` alone.

        Returns:
            Iterator of int32 arrays `[B, block]`, `length` columns in all.

        Raises:
            ValueError: for a bad argument, before any work.
        """
        settings = Settings(sampler, num_steps, "cosine", temperature, seed, guidance_scale)
        settings.check(self.network)
        settings.sampler.check_schedule(self.schedule)
        check_whole("num_samples", num_samples)
        check_whole("length", length)
        if len(self.network.data_shape) != 1:
            raise ValueError(
                "Only text is generated block by block. Expected a network of sequences. "
                f"Received: data_shape={self.network.data_shape}. Use `generate`."
            )
        (window,) = self.network.data_shape
        block_length = max(1, window // 2) if block_length is None else block_length
        check_whole("block_length", block_length, 1, window, "A block is drawn in one window.")
        texts = _check_prompt(self.network, prompt, num_samples)
        if block_length == window and (max(map(len, texts)) or length > block_length):
            raise ValueError(
                "A block of the training length leaves no room for the tokens before it. Expected "
                f"block_length < {window}. Received: block_length={block_length}"
            )
        labels = validation.check_sampling_labels(self.network, labels, num_samples)
        return self._blocks(texts, length, labels, (window, block_length), settings)

    def _blocks(self, texts, length, labels, sizes, settings):
        window, block_length = sizes
        for number, begin in enumerate(range(0, length, block_length)):
            size = min(block_length, length - begin)
            contexts = [text[max(0, len(text) - (window - size)) :] for text in texts]
            rows = [np.pad(context, (0, size)) for context in contexts]
            masks = [np.arange(len(context) + size) >= len(context) for context in contexts]
            seed = int(np.random.SeedSequence((settings.seed, number)).generate_state(1)[0])
            gaps = find_gaps(self.network, rows, masks, labels)
            filled = self._filled(gaps, "auto", dataclasses.replace(settings, seed=seed))
            texts = [
                np.concatenate([text, row[-size:]])[-window:]
                for text, row in zip(texts, filled, strict=True)
            ]
            yield np.stack([row[-size:] for row in filled])


def _check_prompt(network, prompt, num_samples: int) -> list[np.ndarray]:
    """The tokens to continue, int32 `[P]` each; `P` is 0 without a prompt."""
    if prompt is None:
        return [np.zeros(0, "int32")] * num_samples
    found, lengths = batches.from_lists({"tokens": prompt})
    prompts = as_array("prompt", found["tokens"])
    validation.check_no_text(prompts, "prompt")
    if prompts.ndim not in (1, 2) or (prompts.ndim == 2 and len(prompts) != num_samples):
        raise ValueError(
            f"`prompt` holds the tokens to continue. Expected shape [P] or [{num_samples}, P], or "
            f"a list of {num_samples}. Received: shape={prompts.shape}"
        )
    if prompts.size:
        validation.check_host_tokens(network, np.atleast_2d(prompts), "prompt")
    prompts = np.broadcast_to(prompts, (num_samples, prompts.shape[-1])).astype("int32")
    lengths = [prompts.shape[1]] * num_samples if lengths is None else lengths
    return [prompt[:length] for prompt, length in zip(prompts, lengths, strict=True)]
