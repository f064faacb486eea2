"""Drawing from a trained model: from nothing, or round given tokens."""

import dataclasses

import numpy as np
from keras import ops

from md4keras import forward_process, random, samplers
from md4keras.models import sampling_checks, validation
from md4keras.models.generation import SteppedProcess
from md4keras.models.planned import PlannedProcess


@dataclasses.dataclass(frozen=True)
class SamplingSettings:
    """How a sample is drawn; the arguments that `generate` and `infill` share."""

    sampler: samplers.Sampler | str
    num_steps: int
    time_grid: str
    temperature: float
    guidance_scale: float
    seed: int
    pad_to: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "sampler", samplers.get(self.sampler))
        sampling_checks.check_temperature(self.temperature)
        samplers.make_time_grid(self.num_steps, self.time_grid)
        random.check_seed(self.seed)
        if self.pad_to is not None:
            validation.check_positive_int("pad_to", self.pad_to)
        object.__setattr__(self, "num_steps", int(self.num_steps))

    @property
    def grid(self):
        """`t` and `s` of each step, float32 arrays `[T]`, from time 1 to 0."""
        return samplers.make_time_grid(self.num_steps, self.time_grid)


class Sampling:
    """`generate` and `infill` of a model with a network and a schedule."""

    def generate(
        self,
        num_samples: int,
        labels=None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        return_trajectory: bool = False,
        guidance_scale: float = 1.0,
        data_shape=None,
        return_network_calls: bool = False,
        on_step=None,
        pad_to: int | None = None,
    ):
        """Draws samples by reversing the masking from time 1 to time 0.

        Sample `i` depends on `(seed, i)` alone, whatever the number of samples.

        Args:
            num_samples: int.
            labels: int or int `[num_samples]`, for a network with classes.
            sampler: a `Sampler`, a filter (`TopP`, `TopK`) or a name; see `md4keras.samplers`.
            num_steps: int, of the reverse process.
            time_grid: `"cosine"` or `"uniform"`.
            temperature: positive float that divides the logits; 1 samples from the model.
            seed: int in `[0, 2**32)`.
            return_trajectory: bool, whether to return every state too (step by step, slower).
            guidance_scale: float, at least 0: logits are `unconditional + scale * (conditional -
                unconditional)`; 1 is the conditional model itself. Other values need a network
                with `label_dropout` (classifier-free guidance, Ho and Salimans 2022).
            data_shape: shape of one sample; `None` for the network's. Text of other lengths
                than the training length is possible.
            return_network_calls: bool, whether to return the number of network calls too. (A call
                is for the whole batch; guidance doubles the batch, not the calls.)
            on_step: function of `(calls, most, tokens)`, called after each step with the number of
                network calls so far, the most that there can be, and the state (int32 array
                `[num_samples, *data_shape]`); what it raises ends the run. `None` for none.
                (Steps are then taken one by one, as for a trajectory.)
            pad_to: int, at least `num_samples`: the network gets so many rows, and all that is
                returned or reported is cut to `num_samples`. The samples are the same. JAX and
                TensorFlow compile anew for each number of rows: a caller who draws now 3, now 7
                pads to a few sizes. `None` for no padding.

        Returns:
            int32 array `[num_samples, *data_shape]`; with `return_trajectory` then the states
            `[steps + 1, num_samples, *data_shape]`, from all masked to the samples (samplers with
            a plan, such as `"event"`, take a step for each network call, the others `num_steps`);
            with `return_network_calls` then an int.

        Raises:
            ValueError: for a bad argument, before any work.
        """
        validation.check_positive_int("num_samples", num_samples)
        shape = sampling_checks.check_data_shape(self.network, data_shape)
        labels = sampling_checks.check_sampling_labels(self.network, labels, num_samples)
        settings = SamplingSettings(
            sampler, num_steps, time_grid, temperature, guidance_scale, seed, pad_to
        )
        z = ops.convert_to_numpy(forward_process.prior((num_samples, *shape), self.mask_token))
        start_time = np.ones((num_samples,), dtype="float32")
        return self._reverse(
            z, labels, start_time, settings, return_trajectory, return_network_calls, on_step
        )

    def infill(
        self,
        tokens,
        mask,
        labels=None,
        sampler="ancestral",
        num_steps: int = 128,
        time_grid: str = "cosine",
        temperature: float = 1.0,
        seed: int = 0,
        return_trajectory: bool = False,
        guidance_scale: float = 1.0,
        start_time="auto",
        return_network_calls: bool = False,
        on_step=None,
        pad_to: int | None = None,
    ):
        """Draws the masked tokens given the others, which come back bit for bit.

        Args:
            tokens: int `[B, *data_shape]`; what stands under the mask is not read.
            mask: bool, the shape of `tokens` (or of one example); `True` is drawn.
            labels, sampler, num_steps, time_grid, temperature, seed, return_trajectory,
                guidance_scale, return_network_calls, on_step, pad_to: as in `generate`.
            start_time: float in `(0, 1]`, the time of the first state; `"auto"` for the time at
                which the schedule expects each row's fraction of masks (`GenMD4`: of token values
                that are all equally frequent). A GenMD4 network takes a mask for evidence of the
                value under it. What the caller has masked is none; at `"auto"` its weight is
                taken off the logits, which is exact for one gap and an approximation for several.
                At 1.0 masks tell nothing, so an exact network fills exactly; a trained one has
                seldom seen so few masks so late.

        Returns:
            As `generate`.

        Raises:
            ValueError: for a bad argument, a given token outside the vocabulary, or a mask that
                leaves a row nothing to fill.
        """
        settings = SamplingSettings(
            sampler, num_steps, time_grid, temperature, guidance_scale, seed, pad_to
        )
        if not isinstance(start_time, str) or start_time != "auto":
            sampling_checks.check_start_time(start_time)
        outputs = (return_trajectory, return_network_calls, on_step)
        return self._infill(tokens, mask, labels, settings, start_time, *outputs)

    def _infill(self, tokens, mask, labels, settings, start_time="auto", *outputs):
        z, fraction = sampling_checks.check_infilling(self.network, tokens, mask)
        labels = sampling_checks.check_sampling_labels(self.network, labels, len(z))
        if isinstance(start_time, str):
            times = ops.convert_to_numpy(self.schedule.time_of_masked_fraction(fraction))
        else:
            times = np.full((len(z),), start_time, dtype="float32")
        return self._reverse(z, labels, np.asarray(times), settings, *outputs)

    def _reverse(
        self,
        z,
        labels,
        start_time,
        settings,
        return_trajectory=False,
        return_network_calls=False,
        on_step=None,
    ):
        sampling_checks.check_guidance(self.network, settings.guidance_scale)
        count = len(z)
        z, labels, start_time = _padded(z, labels, start_time, settings.pad_to)
        process = self._reverse_process(settings.sampler, z.shape)
        arguments = (z, labels, start_time, settings)
        if return_trajectory or on_step is not None:
            states = [z[:count]]
            for tokens, calls, most in process.run_stepwise(*arguments):
                tokens = tokens[:count]
                if return_trajectory:
                    states.append(tokens)
                if on_step is not None:
                    on_step(calls, most, tokens)
            results = [tokens, np.stack(states)] if return_trajectory else [tokens]
        else:
            tokens, calls = process.run_compiled(*arguments)
            results = [tokens[:count]]
        if return_network_calls:
            results.append(calls)
        return results[0] if len(results) == 1 else tuple(results)

    def _reverse_process(self, sampler, shape):
        """What is compiled for a sampler and a shape `[B, *data_shape]`; kept for a while."""
        kind = PlannedProcess if isinstance(sampler, samplers.Event) else SteppedProcess
        return self._compiled_functions.get((sampler, shape), lambda: kind(self, sampler))


def _padded(z, labels, start_time, rows):
    """The first state with complete rows behind it: nothing is drawn there, no call is for them."""
    if rows is None:
        return z, labels, start_time
    if rows < len(z):
        raise ValueError(
            f"`pad_to` leaves no room for the samples. Expected at least {len(z)}. "
            f"Received: pad_to={rows}. None pads nothing."
        )
    more = rows - len(z)
    z = np.concatenate([z, np.zeros((more, *z.shape[1:]), z.dtype)])
    labels = None if labels is None else np.pad(labels, (0, more))
    return z, labels, np.pad(start_time, (0, more), constant_values=1.0)
