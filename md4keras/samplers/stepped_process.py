"""A reverse process of steps: a network call for each, but for those that are idle."""

import numpy as np
from keras import ops

from md4keras import random
from md4keras.backend import compile_function, to_numpy
from md4keras.forward_process import positions
from md4keras.samplers.drawing import Noise
from md4keras.samplers.expected import idle_rule
from md4keras.samplers.reverse_process import ReverseProcess
from md4keras.samplers.states import Grid, Memory, Run, State
from md4keras.samplers.temperature import Temperature, at_temperature
from md4keras.schedules import Rescaled


class SteppedProcess(ReverseProcess):
    """A call for each step of the time grid, and one more that fills what is still masked.

    What follows a step is the sampler's (`after_step`), which may call the network again.

    Idle steps take no call (`Expected.is_idle`). The noise of a step goes by its number, whether
    others were idle or not.

    Example:

    >>> process = md4keras.samplers.Ancestral().make_process(model)
    >>> type(process).__name__
    'SteppedProcess'
    """

    def __init__(self, model, sampler):
        super().__init__(model, sampler)
        self._begin = compile_function(model, self.begin)

    def states(self, start, settings):
        """As `ReverseProcess.states`; filling what is left belongs to the last step."""
        for number, state in enumerate(super().states(start, settings)):
            if number < settings.num_steps:
                yield state
        if number >= settings.num_steps:
            yield state

    def plan(self, start, settings, seed):
        # Padded to a power of two, so that few numbers of steps compile anew.
        num_steps = settings.num_steps
        grid = np.zeros((2, 1 << num_steps.bit_length()), dtype="float32")
        grid[:, :num_steps] = settings.grid
        return Grid(ops.convert_to_tensor(num_steps, "int32"), *map(ops.convert_to_tensor, grid))

    def most_calls(self, run):
        left = to_numpy(run.given).reshape(run.given.shape[0], -1)
        left, num_steps = (~left).sum(axis=1), int(to_numpy(run.plan.num_steps))

        def fractions():
            schedule = Rescaled(self.model.schedule, run.start_time)
            s = to_numpy(run.plan.s)[:num_steps, None] * to_numpy(run.start_time)  # [T, B]
            return to_numpy(schedule.masked_fraction(ops.convert_to_tensor(s)))

        return self.sampler.most_calls(left, num_steps, fractions)

    def unfinished(self, run, state):
        some_masked = ops.any(ops.equal(state.z, self.model.mask_token))
        step, num_steps = state.step, run.plan.num_steps
        return (step < num_steps) | ((step == num_steps) & some_masked)

    def advance(self, run, state):
        return self.begin(run, self.step(run, state, *self._times(run, state.step)))

    def begin(self, run, state):
        """The state with the number of the next step that is not idle."""
        masked = ops.equal(state.z, self.model.mask_token)
        schedule, rule = Rescaled(self.model.schedule, run.start_time), idle_rule(self.sampler)

        def is_passed(step):
            _, s = self._times(run, step)
            return (step < run.plan.num_steps) & rule(masked, s, schedule, run.given)

        (step,) = ops.while_loop(is_passed, lambda step: (step + 1,), (state.step,))
        return state._replace(step=step)

    def _times(self, run: Run, step):
        """`t` and `s` of a step, float32 `[B]` each; (0, 0) behind the last one."""
        step = ops.minimum(step, run.plan.num_steps)
        return tuple(ops.take(each, step) * run.start_time for each in (run.plan.t, run.plan.s))

    def step(self, run: Run, state: State, t, s) -> State:
        """A step from `t` to `s`, float32 tensors `[B]`; at time 0 all that is left is filled."""
        z, schedule = state.z, Rescaled(self.model.schedule, run.start_time)
        logits = self.denoise(run, z, t)
        noise = self.noise(run, z, state.step)
        memory = Memory(run.given, state.remembered)

        def stepped(sampler, logits):
            return sampler.step(logits, z, s, t, schedule, noise, memory)

        def finished(sampler, logits):
            return sampler.finish(logits, z, noise)

        drawing = run.temperature, self.sampler
        z, remembered = ops.cond(
            ops.any(t > 0.0),
            lambda: at_temperature(*drawing, stepped, logits),
            lambda: (at_temperature(*drawing, finished, logits), state.remembered),
        )
        after = State(state.calls + 1, z, remembered, state.step + 1)
        sampler = Temperature(run.temperature).of(self.sampler)
        return sampler.after_step(self, run, after, t, s)

    def time_of_masks(self, run: Run, z, s):
        """The time at which as much is masked as in `z`, but not before `s`, float32 `[B]`."""
        schedule, to_fill = self.model.schedule, ops.maximum(positions(z, run.given), 1.0)
        masked = positions(z, ops.not_equal(z, self.model.mask_token)) / to_fill
        fraction = masked * schedule.masked_fraction(run.start_time)
        return ops.maximum(schedule.time_of_masked_fraction(fraction), s)

    def noise(self, run: Run, z, number) -> Noise:
        """The noise for tokens like `z`; another number, int32 scalar, gives other noise."""
        batch_size, *data_shape = ops.shape(z)  # tensors, where an exported graph leaves them open
        sample_ids = ops.arange(batch_size, dtype="int32")
        first = run.first_places(batch_size)
        uniforms = random.uniforms(run.seed, sample_ids, data_shape, number, first)
        return Noise(*uniforms)
