"""Drawing from a trained model: from nothing, or round given tokens."""

import numpy as np
from keras import ops

from md4keras import forward_process, samplers
from md4keras.models import validation
from md4keras.models.generation import ReverseProcess


class Sampling:
    """`generate` and `infill` of a model with `network`, `schedule` and `network_logits`."""

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
        data_shape=None,
    ):
        """Draws samples by reversing the masking from time 1 to time 0.

        Sample `i` depends on `(seed, i)` alone, whatever the number of samples.

        Args:
            num_samples: int.
            labels: int or int `[num_samples]`, for a network with classes.
            sampler: a `Sampler` or its name.
            num_steps: int, of the reverse process.
            time_grid: `"cosine"` or `"uniform"`.
            temperature: positive float that divides the logits; 1 samples from the model.
            seed: int in `[0, 2**32)`.
            return_trajectory: bool, whether to return every state too (step by step, slower).
            data_shape: shape of one sample; `None` for the network's. Text of other lengths
                than the training length is possible.

        Returns:
            int32 array `[num_samples, *data_shape]`; with `return_trajectory` also the states
            `[num_steps + 1, num_samples, *data_shape]`, from all masked to the samples.

        Raises:
            ValueError: for a bad argument, before any work.
        """
        validation.check_positive_int("num_samples", num_samples)
        shape = validation.check_data_shape(self.network, data_shape)
        labels = validation.check_sampling_labels(self.network, labels, num_samples)
        z = ops.convert_to_numpy(forward_process.prior((num_samples, *shape), self.mask_token))
        start_time = np.ones((num_samples,), dtype="float32")
        return self._reverse(
            z,
            labels,
            start_time,
            sampler,
            num_steps,
            time_grid,
            temperature,
            seed,
            return_trajectory,
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
    ):
        """Draws the masked tokens given the others, which come back bit for bit.

        Each row starts at the time at which the schedule expects its fraction of masks.

        Args:
            tokens: int `[B, *data_shape]`; what stands under the mask is not read.
            mask: bool, the shape of `tokens` (or of one example); `True` is drawn.
            labels, sampler, num_steps, time_grid, temperature, seed: as in `generate`.
            return_trajectory: bool, whether to return every state too.

        Returns:
            int32 array `[B, *data_shape]`; with `return_trajectory` also the states
            `[num_steps + 1, B, *data_shape]`.

        Raises:
            ValueError: for a bad argument, a given token outside the vocabulary, or a mask that
                leaves a row nothing to fill.
        """
        z, fraction = validation.check_infilling(self.network, tokens, mask)
        labels = validation.check_sampling_labels(self.network, labels, len(z))
        start_time = np.asarray(ops.convert_to_numpy(self.schedule.inverse(1.0 - fraction)))
        return self._reverse(
            z,
            labels,
            start_time,
            sampler,
            num_steps,
            time_grid,
            temperature,
            seed,
            return_trajectory,
        )

    def _reverse(
        self, z, labels, start_time, sampler, num_steps, time_grid, temperature, seed, states
    ):
        validation.check_temperature(temperature)
        process = self._reverse_process(sampler)
        times = samplers.make_time_grid(num_steps, time_grid)
        arguments = (z, labels, times, start_time, seed, temperature)
        if not states:
            return process.run_compiled(*arguments)
        trajectory = np.stack([z, *process.run_stepwise(*arguments)])
        return trajectory[-1], trajectory

    def _reverse_process(self, sampler):
        sampler = samplers.get(sampler)
        key = repr((type(sampler).__name__, sampler.get_config()))
        if key not in self._reverse_processes:
            self._reverse_processes[key] = ReverseProcess(self, sampler)
        return self._reverse_processes[key]
