"""Drawing from a trained model: from nothing, or round given tokens."""

from collections.abc import Iterator

import numpy as np

from md4keras import backend, distribution
from md4keras.checks import Interval, check_number
from md4keras.models.gaps import Gaps, all_masked, find_gaps
from md4keras.models.padding import padded_length, padded_size
from md4keras.models.settings import Settings
from md4keras.models.trainer import Trainer
from md4keras.samplers import SampleState
from md4keras.samplers.reverse_process import Start


class Generation(Trainer):
    """`generate` and `infill`, and the same runs as iterators of states."""

    def generate(
        self,
        num_samples: int,
        labels=None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        guidance_scale: float = 1.0,
        data_shape=None,
        length=None,
    ) -> np.ndarray:
        """Draws samples by reversing the masking from time 1 to time 0.

        Sample `i` depends on `(seed, i)` alone, whatever the number of samples. The network gets a
        few more rows (and a text that is shorter than the training length, a few more tokens) than
        are asked for where that spares compiling anew; what is returned is the same.

        Args:
            num_samples: int.
            labels: int or int `[num_samples]`, for a network with classes.
            sampler: a `Sampler`, a filter (`TopP`, `TopK`) or a name; see `md4keras.samplers`.
            num_steps: int, of the reverse process.
            time_grid: `"cosine"` or `"uniform"`.
            temperature: positive float that divides the logits; 1 samples from the model.
            seed: int in `[0, 2**32)`.
            guidance_scale: float, at least 0: logits are `unconditional + scale * (conditional -
                unconditional)`; 1 is the conditional model itself. Other values need a network
                with `label_dropout` (classifier-free guidance, Ho and Salimans 2022).
            data_shape: shape of one sample; `None` for the network's.
            length: int, tokens of one text, another way to give `data_shape`; or `num_samples` of
                them, one for each. Other lengths than the training length are possible
                (`generate_blocks`: at a cost that is not its square).

        Returns:
            int32 array `[num_samples, *data_shape]`; for several lengths, a list of int32 arrays
            `[length]`, each of which is what it would be if all had its length.

        Raises:
            ValueError: for a bad argument, before any work.
        """
        settings = Settings(sampler, num_steps, time_grid, temperature, seed, guidance_scale)
        gaps = all_masked(self.network, num_samples, labels, data_shape, length)
        return self._filled(gaps, 1.0, settings)

    def sample_steps(
        self,
        num_samples: int,
        labels=None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        guidance_scale: float = 1.0,
        data_shape=None,
        length=None,
    ) -> Iterator[SampleState]:
        """The run of `generate` as an iterator of states; leaving the loop stops the run.

        Takes the arguments of `generate`.

        Returns:
            Iterator of `(tokens, calls, most_calls)`: the state before any network call, in which
            all is masked, and then one after each step; the last holds what `generate` returns.
            (Samplers with a plan, such as `"event"`, take a step for each network call, the others
            `num_steps`. A call is for the whole batch; guidance doubles the batch, not the calls.)

        Example:

        ```python
        for state in model.sample_steps(4, num_steps=64):
            print(f"{state.calls} of at most {state.most_calls} network calls")
        samples = state.tokens
        ```
        """
        settings = Settings(sampler, num_steps, time_grid, temperature, seed, guidance_scale)
        gaps = all_masked(self.network, num_samples, labels, data_shape, length)
        return self._filled_states(gaps, 1.0, settings)

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
        """The run of `infill` as an iterator of states, as `sample_steps` is that of `generate`."""
        settings = Settings(sampler, num_steps, time_grid, temperature, seed, guidance_scale)
        gaps = find_gaps(self.network, tokens, mask, labels)
        return self._filled_states(gaps, start_time, settings)

    def _start_of(self, gaps: Gaps, start_time) -> Start:
        if isinstance(start_time, str) and start_time == "auto":
            times = backend.to_numpy(self.schedule.time_of_masked_fraction(gaps.fraction))
        else:
            mend = "'auto' finds the time of each row."
            check_number("start_time", start_time, Interval(0, 1, with_low=False), mend)
            times = np.full((len(gaps.z),), start_time, dtype="float32")
        return Start(gaps.z, gaps.batch.labels, np.asarray(times), **gaps.batch.layout)

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
        settings.check(self.network)
        padded = _padded(start, self.network) if backend.COMPILES_EACH_SHAPE else start
        layout = padded.padding_mask is None, padded.segment_ids is None
        key = settings.sampler, padded.z.shape, *layout
        return self._functions.get(key, lambda: settings.sampler.make_process(self)), padded


def _padded(start: Start, network) -> Start:
    """The start with complete rows and columns added: nothing is drawn there.

    Few sizes are compiled, whatever sizes are asked for, and all devices have a part of the rows.
    """
    count, *shape = start.z.shape
    more = distribution.whole_rows(padded_size(count)) - count
    padding_mask, segment_ids = start[3:]
    z, columns = start.z, 0
    if len(shape) == 1:
        (length,) = shape
        columns = padded_length(network, length) - length
        if columns and padding_mask is None and segment_ids is None:
            padding_mask = np.ones((count, length), "bool")
    z = np.pad(z, ((0, more), (0, columns), *((0, 0),) * (len(shape) - 1)))
    padding_mask, segment_ids = (
        None
        if each is None
        else np.pad(np.pad(each, ((0, more), (0, 0)), mode="edge"), ((0, 0), (0, columns)))
        for each in (padding_mask, segment_ids)
    )
    labels = None if start.labels is None else np.pad(start.labels, (0, more))
    time = np.pad(start.time, (0, more), constant_values=1.0)
    return Start(z, labels, time, padding_mask, segment_ids)


def _cut(tokens, start: Start) -> np.ndarray:
    """The tokens without what was added to the start."""
    return tokens[tuple(slice(size) for size in start.z.shape)]
