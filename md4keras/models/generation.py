"""The reverse process over a model: one step, and the two drivers that repeat it.

`run_compiled` is one compiled loop; `run_stepwise` yields every state. Both take the same step
with the same noise, so they agree token for token.
"""

import numpy as np
from keras import ops

from md4keras.models.backend import compile_function
from md4keras.samplers import threefry


class ReverseProcess:
    """A sampler bound to a model's network and schedule.

    Args:
        model: has `network_logits(zt, time, labels)`, `schedule` and `mask_token`.
        sampler: a `md4keras.samplers.Sampler`.
    """

    def __init__(self, model, sampler):
        self.model = model
        self.sampler = sampler
        self._loop = compile_function(model, self._run_loop)
        self._one_step = compile_function(model, self._step)

    def run_compiled(self, z, labels, times, start_time, seed, temperature):
        """Reverses the process in one compiled loop.

        Args:
            z: int32 array `[B, *data_shape]`, the first state.
            labels: int32 array `[B]` or `None`.
            times: pair of float32 arrays `[T]`, the grid `t`, `s` from time 1 to 0.
            start_time: float32 array `[B]`, scales the grid for each row.
            seed: int.
            temperature: float, divides the logits.

        Returns:
            int32 NumPy array `[B, *data_shape]` without masks.
        """
        _, z = self._loop(*self._arguments(z, labels, times, start_time, seed, temperature))
        return np.asarray(ops.convert_to_numpy(z))

    def run_stepwise(self, z, labels, times, start_time, seed, temperature):
        """As `run_compiled`, but yields the state after each step, `T` states in all."""
        z, labels, num_steps, *rest = self._arguments(
            z, labels, times, start_time, seed, temperature
        )
        mask_token = self.model.mask_token
        for step in range(len(times[0])):
            z = self._one_step(np.int32(step), z, labels, num_steps, *rest)
            state = np.asarray(ops.convert_to_numpy(z))
            if step == len(times[0]) - 1 and (state == mask_token).any():
                z = self._one_step(np.int32(step + 1), z, labels, num_steps, *rest)
                state = np.asarray(ops.convert_to_numpy(z))
            yield state

    def _arguments(self, z, labels, times, start_time, seed, temperature):
        num_steps = len(times[0])
        # Grids are padded to a power of two, so that few numbers of steps compile anew. Entry T
        # is (0, 0): the network's time when the last masks are filled.
        grid = np.zeros((2, 1 << num_steps.bit_length()), dtype="float32")
        grid[0, :num_steps], grid[1, :num_steps] = times
        return (
            ops.convert_to_tensor(z, dtype="int32"),
            None if labels is None else ops.convert_to_tensor(labels, dtype="int32"),
            ops.convert_to_tensor(num_steps, dtype="int32"),
            ops.convert_to_tensor(grid),
            ops.convert_to_tensor(start_time, dtype="float32"),
            ops.convert_to_tensor(threefry.seed_word(seed), dtype="int32"),
            ops.convert_to_tensor(temperature, dtype="float32"),
        )

    def _run_loop(self, z, labels, num_steps, grid, start_time, seed, temperature):
        def unfinished(step, z):
            some_masked = ops.any(ops.equal(z, self.model.mask_token))
            return (step < num_steps) | ((step == num_steps) & some_masked)

        def body(step, z):
            z = self._step(step, z, labels, num_steps, grid, start_time, seed, temperature)
            return step + 1, z

        return ops.while_loop(unfinished, body, (ops.zeros((), dtype="int32"), z))

    def _step(self, step, z, labels, num_steps, grid, start_time, seed, temperature):
        """Step `i` of `T`; step `T` fills what is still masked."""
        step = ops.convert_to_tensor(step, dtype="int32")
        t = ops.take(grid[0], step) * start_time  # [B]
        s = ops.take(grid[1], step) * start_time
        logits = self.model.network_logits(z, t, labels) / temperature
        sample_ids = ops.arange(z.shape[0], dtype="int32")
        noise = threefry.uniforms(seed, sample_ids, z.shape[1:], step)
        return ops.cond(
            step < num_steps,
            lambda: self.sampler.step(logits, z, s, t, self.model.schedule, noise),
            lambda: self.sampler.decode(logits, z, noise),
        )
