"""Drawing from a trained model: from nothing, after a prompt, or round given tokens."""

from collections.abc import Iterator

import numpy as np

from md4keras import backend
from md4keras.checks import Interval, check_number, check_whole
from md4keras.models import prompts, validation
from md4keras.models.blocks import Blocks, as_rows, lengths_after
from md4keras.models.gaps import Gaps, all_masked, find_gaps
from md4keras.models.padding import padded_start
from md4keras.models.prompts import Prompts
from md4keras.models.settings import Settings
from md4keras.models.trainer import Trainer
from md4keras.samplers import SampleState
from md4keras.samplers.states import Start


class Generation(Trainer):
    """`generate` and `infill`, and the same runs as iterators of states."""

    draws_samples = True
    draws_in_blocks = False

    def generate(
        self,
        num_samples: int | None = None,
        labels=None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        guidance_scale: float = 1.0,
        data_shape=None,
        length=None,
        prompt=None,
        block_length: int | None = None,
    ):
        """Draws samples by reversing the masking from time 1 to time 0, maybe after a prompt.

        Sample `i` depends on `(seed, i)` alone, whatever the number of samples. The network gets a
        few more rows (and a text that is shorter than the training length, a few more tokens) than
        are asked for where that spares compiling anew; what is returned is the same.

        A prompt stands before the masks of what is to be drawn. With `block_length` the masks are
        filled in blocks from left to right, all in one row: in each block's share of the steps its
        own masks alone. Blocks are drawn until each text has its end token (`model.tokenizer`'s;
        of a chat, any special token); what follows the block of a text's end is filled with it.

        Args:
            num_samples: int; with a prompt it may be left out.
            labels: int or int `[num_samples]`, for a network with classes.
            sampler: a `Sampler`, a filter (`TopP`, `TopK`) or a name; see `md4keras.samplers`.
            num_steps: int, of the reverse process.
            time_grid: `"cosine"` or `"uniform"`.
            temperature: float, 0 or positive, that divides the logits of what is drawn; 1 samples
                from the model, 0 takes the likeliest tokens. Which positions come next goes by the
                model's own distribution.
            seed: int in `[0, 2**32)`.
            guidance_scale: float, at least 0: logits are `unconditional + scale * (conditional -
                unconditional)`; 1 is the conditional model itself. Other values need a network
                with `label_dropout` (classifier-free guidance, Ho and Salimans 2022), whose other
                half has no label, or a prompt, which is masked in the other half.
            data_shape: shape of one sample; `None` for the network's.
            length: int, tokens of one text, another way to give `data_shape`; or `num_samples` of
                them, one for each. Other lengths than the training length are possible
                (`generate_blocks`: at a cost that is not its square). With a prompt, the tokens
                after it; `None` for what it leaves of the training length.
            prompt: a text; a chat, which is a list of messages `{"role": ..., "content": ...}`
                for the tokenizer's chat template; or int tokens `[P]`. Or a list of `num_samples`
                of one kind, of any lengths, each of which goes on as it would alone. `None` for
                none.
            block_length: int; `None` for one block. All texts then have one `length`.

        Returns:
            int32 array `[num_samples, *data_shape]`; for several lengths, a list of int32 arrays
            `[length]`, each of which is what it would be if all had its length. From prompts of
            tokens such rows, which begin with the prompt, without `num_samples` one for one prompt;
            from texts the texts with what follows them, until the end token; from chats the
            answers, which are texts.

        Raises:
            ValueError: for a bad argument, before any work.

        Example:

        >>> model.generate(2, num_steps=4, seed=7).shape
        (2, 8)
        >>> model.generate(prompt=[1, 2], length=4, block_length=2, num_steps=4, seed=7).shape
        (6,)

        Reference: Nie et al. 2025, *Large Language Diffusion Models* (arXiv 2502.09992), Section
        2.4 and Algorithms 4 and 5, of which `sampler=Confidence(ties="first")`,
        `time_grid="uniform"` and `temperature=0` is the latter.
        """
        settings = Settings(sampler, num_steps, time_grid, temperature, seed, guidance_scale)
        if prompt is None and block_length is None:
            gaps = all_masked(self.network, num_samples, labels, data_shape, length)
            return self._filled(gaps, 1.0, settings)
        asked = prompts.read(self, prompt, num_samples)
        blocks = self._blocks(asked, labels, (data_shape, length, block_length), settings)
        for number, gaps in blocks:
            own = settings.with_steps(blocks.share_of_steps(number, settings.num_steps))
            blocks.close(number, self._filled(gaps, "auto", own))
        return asked.answer(as_rows(blocks.complete(), length))

    def sample_steps(
        self,
        num_samples: int | None = None,
        labels=None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        guidance_scale: float = 1.0,
        data_shape=None,
        length=None,
        prompt=None,
        block_length: int | None = None,
    ) -> Iterator[SampleState]:
        """The run of `generate` as an iterator of states; leaving the loop stops the run.

        Takes the arguments of `generate`.

        Returns:
            Iterator of `(tokens, calls, most_calls)`: the state before any network call, in which
            all is masked but for prompts, and then one after each step; the last holds what
            `generate` returns (tokens in any case, with their prompts).
            (Samplers with a plan, such as `"event"`, take a step for each network call, the others
            `num_steps` or fewer. A call is for the whole batch; guidance doubles the batch, not
            the calls.)

        Example:

        >>> for state in model.sample_steps(4, num_steps=2):
        ...     print(f"{state.calls} of at most {state.most_calls} network calls")
        0 of at most 3 network calls
        1 of at most 3 network calls
        2 of at most 3 network calls
        >>> samples = state.tokens
        """
        settings = Settings(sampler, num_steps, time_grid, temperature, seed, guidance_scale)
        if prompt is None and block_length is None:
            gaps = all_masked(self.network, num_samples, labels, data_shape, length)
            return self._filled_states(gaps, 1.0, settings)
        asked = prompts.read(self, prompt, num_samples)
        blocks = self._blocks(asked, labels, (data_shape, length, block_length), settings)
        return self._block_states(blocks, length, settings)

    def infill(
        self,
        tokens,
        mask=None,
        labels=None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        guidance_scale: float = 1.0,
        start_time="auto",
    ) -> np.ndarray:
        """Draws the masked tokens given the others, which come back bit for bit.

        Args:
            tokens: int `[B, *data_shape]`; a list of texts' ids, of any lengths; or a dictionary
                with `"tokens"`, and `"label"`, `"padding_mask"`, `"segment_ids"` (see `fit`) or
                `"given"`. What stands under the mask or in the padding is not read.
            mask: bool, the shape of `tokens` (or of one example; a list, if they are one); `True`
                is drawn. `None` to draw what a dictionary does not give.
            labels, sampler, num_steps, time_grid, temperature, seed, guidance_scale: as in
                `generate`.
            start_time: float in `(0, 1]`, the time of the first state; `"auto"` for the time at
                which the schedule expects each row's fraction of masks (`GenMD4`: of token values
                that are all equally frequent). A GenMD4 network takes a mask for evidence of the
                value under it. What the caller has masked is none; at `"auto"` its weight is
                taken off the logits, which is exact for one gap and an approximation for several.
                At 1.0 masks tell nothing, so an exact network fills exactly; a trained one has
                seldom seen so few masks so late.

        Returns:
            int32 array `[B, *data_shape]`, the padding as it was; for a list of texts of different
            lengths, a list of int32 arrays. Each text is filled as it would be alone.

        Raises:
            ValueError: for a bad argument, a given token outside the vocabulary, or a mask that
                leaves a row nothing to fill.

        Example:

        >>> tokens, mask = np.array([[0, 1, 2, 3, 4, 0, 0, 0]]), np.arange(8) >= 5
        >>> model.infill(tokens, mask, num_steps=4)[0, :5].tolist()  # what was given comes back
        [0, 1, 2, 3, 4]
        """
        settings = Settings(sampler, num_steps, time_grid, temperature, seed, guidance_scale)
        gaps = find_gaps(self.network, tokens, mask, labels)
        return self._filled(gaps, start_time, settings)

    def infill_steps(
        self,
        tokens,
        mask=None,
        labels=None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        guidance_scale: float = 1.0,
        start_time="auto",
    ) -> Iterator[SampleState]:
        """The run of `infill` as an iterator of states, as `sample_steps` is that of `generate`.

        Example:

        >>> tokens, mask = np.zeros((1, 8), "int32"), np.arange(8) >= 5
        >>> states = model.infill_steps(tokens, mask, sampler="first_hitting")
        >>> [int((state.tokens == model.mask_token).sum()) for state in states]
        [3, 2, 1, 0]
        """
        settings = Settings(sampler, num_steps, time_grid, temperature, seed, guidance_scale)
        gaps = find_gaps(self.network, tokens, mask, labels)
        return self._filled_states(gaps, start_time, settings)

    def _blocks(self, asked: Prompts, labels, sizes, settings: Settings) -> Blocks:
        """The texts of prompts, which are checked, and what is to be drawn after them."""
        data_shape, length, block_length = sizes
        texts = asked.tokens
        self._check_settings(settings, has_prompt=any(map(len, texts)))
        lengths = lengths_after(self.network, texts, data_shape, length)
        if block_length is None:
            block_length = max(lengths)
        check_whole("block_length", block_length, mend="32 is a good number.")
        if block_length < max(lengths) and len(set(lengths)) > 1:
            raise ValueError(
                "Texts of different lengths have different numbers of blocks. Expected one "
                f"`length` for all along with `block_length`. Received: block_length="
                f"{block_length}, lengths={lengths[:20]}. Give length={max(lengths)}, for instance."
            )
        labels = validation.check_sampling_labels(self.network, labels, len(texts))
        blocks = Blocks(self.network, texts, lengths, block_length, labels, ends=asked.ends)
        blocks.gaps(0)  # which checks them
        return blocks

    def _block_states(self, blocks: Blocks, length, settings: Settings) -> Iterator[SampleState]:
        steps = [blocks.share_of_steps(n, settings.num_steps) for n in range(blocks.count)]
        most_calls, done = settings.sampler.most_calls, 0
        for number, gaps in blocks:
            own, later = settings.with_steps(steps[number]), steps[number + 1 :]
            ahead = sum(most_calls(np.array([blocks.block_length]), count) for count in later)
            for state in self._filled_states(gaps, "auto", own):
                calls, most = state.calls, done + state.most_calls + ahead
                if calls or not number:  # else the last state of the block before
                    rows = as_rows(blocks.shown(state.tokens), length)
                    yield SampleState(rows, done + calls, most)
            blocks.close(number, state.tokens)
            done += calls
        if number + 1 < blocks.count:  # all texts have ended
            yield SampleState(as_rows(blocks.complete(), length), done, done)

    def _check_settings(self, settings: Settings, has_prompt: bool = False) -> None:
        settings.check(self.network, has_prompt)
        settings.sampler.check_schedule(self.schedule)

    def _start_times(self, fraction, start_time) -> np.ndarray:
        """The time of each row's first state, float32 `[B]`, of which so much is masked."""
        if isinstance(start_time, str) and start_time == "auto":
            return np.asarray(backend.to_numpy(self.schedule.time_of_masked_fraction(fraction)))
        mend = "'auto' finds the time of each row."
        check_number("start_time", start_time, Interval(0, 1, with_low=False), mend)
        return np.full((len(fraction),), start_time, dtype="float32")

    def _start_of(self, gaps: Gaps, start_time) -> Start:
        times = self._start_times(gaps.fraction, start_time)
        z = gaps.z if gaps.ahead is None else np.where(gaps.ahead, 0, gaps.z)
        by_label = getattr(self.network, "label_dropout", 0.0)
        prompt = None if by_label else gaps.prompt
        start = Start(z, gaps.batch.labels, times, **gaps.batch.layout)
        return start._replace(ahead=gaps.ahead, prompt=prompt)

    def _filled(self, gaps: Gaps, start_time, settings: Settings):
        start = self._start_of(gaps, start_time)
        process, padded = self._process(start, settings)
        return gaps.filled(_cut(process.run(padded, settings), start))

    def _filled_states(self, gaps: Gaps, start_time, settings: Settings) -> Iterator[SampleState]:
        start = self._start_of(gaps, start_time)
        process, padded = self._process(start, settings)
        states = process.states(padded, settings)
        return (state._replace(tokens=gaps.filled(_cut(state.tokens, start))) for state in states)

    def _process(self, start: Start, settings: Settings):
        """What is compiled for the sampler and the shape, kept for a while, and a padded start."""
        settings.check(self.network, start.prompt is not None)
        padded = padded_start(start, self.network) if backend.COMPILES_EACH_SHAPE else start
        key = settings.sampler, padded.z.shape, *(part is None for part in padded)
        return self._functions.get(key, lambda: settings.sampler.make_process(self)), padded


def _cut(tokens, start: Start) -> np.ndarray:
    """The tokens without what was added to the start."""
    return tokens[tuple(slice(size) for size in start.z.shape)]
