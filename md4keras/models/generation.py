"""The reverse process over a model: its steps, and the two drivers that repeat them.

`run_compiled` is one compiled loop; `run_stepwise` yields every state. Both take the same steps
with the same noise, so they agree token for token. `SteppedProcess` goes through the time grid;
`md4keras.models.planned.PlannedProcess` from one reveal to the next.
"""

import numpy as np
from keras import ops

from md4keras import random
from md4keras.backend import compile_function
from md4keras.schedules import Started


class ReverseProcess:
    """A sampler bound to a model's network and schedule.

    A subclass gives `prepare` (tensors that stay as they are during a run), `most_calls`,
    `unfinished` and `advance` (one network call). A state is `(calls, z, memory)`.

    Args:
        model: has `network_logits(zt, time, labels)`, `schedule` and `mask_token`.
        sampler: a `md4keras.samplers.Sampler`.
    """

    def __init__(self, model, sampler):
        sampler.check_schedule(model.schedule)
        self.model = model
        self.sampler = sampler
        self._loop = compile_function(model, self._run_loop)
        self._advance = compile_function(model, self.advance)

    def run_compiled(self, z, labels, start_time, settings):
        """Reverses the process in one compiled loop.

        Args:
            z: int32 array `[B, *data_shape]`, the first state.
            labels: int32 array `[B]` or `None`.
            start_time: float32 array `[B]`, scales the time grid for each row.
            settings: a `SamplingSettings`.

        Returns:
            int32 NumPy array `[B, *data_shape]` without masks, and the number of network calls.
        """
        run = self.prepare(z, labels, start_time, settings)
        calls, z, _ = self._loop(run, *self._first_state(z))
        return _numpy(z), int(_numpy(calls))

    def run_stepwise(self, z, labels, start_time, settings):
        """As `run_compiled`, but yields each state: tokens, network calls so far, and at most."""
        run = self.prepare(z, labels, start_time, settings)
        state, most = self._first_state(z), self.most_calls(run)
        while bool(_numpy(self.unfinished(run, *state))):
            state = self._advance(run, *state)
            yield _numpy(state[1]), int(_numpy(state[0])), most

    def _run_loop(self, run, *state):
        return ops.while_loop(
            lambda *state: self.unfinished(run, *state),
            lambda *state: self.advance(run, *state),
            state,
        )

    def _first_state(self, z):
        z = ops.convert_to_tensor(z, dtype="int32")
        given = ops.where(ops.equal(z, self.model.mask_token), 0.0, float("inf"))
        return ops.zeros((), dtype="int32"), z, ops.cast(given, "float32")

    def prepare(self, z, labels, start_time, settings) -> dict:
        """What the steps read, as tensors; computed outside of the compiled loop."""
        guidance = settings.guidance_scale
        return {
            "labels": None if labels is None else ops.convert_to_tensor(labels, dtype="int32"),
            "seed": ops.convert_to_tensor(random.seed_word(int(settings.seed)), dtype="int32"),
            "temperature": ops.convert_to_tensor(settings.temperature, dtype="float32"),
            "correction": self._correction(z, start_time),
            "guidance": None if guidance == 1.0 else ops.convert_to_tensor(guidance, "float32"),
        }

    def _correction(self, z, start_time):
        """What to take off the logits because the first masks tell nothing, `[B, 1, .., V]` or 0.

        With a schedule per token value the network takes a mask for evidence, of weight
        `1 - alpha_v(t)`. What the caller has masked is none: its weight at the start is undone
        (exactly for one gap; for several, each network marginal still counts that of the others).
        """
        if not self.model.schedule.per_token:
            return ops.zeros((), dtype="float32")
        log_masked = self.model.schedule.log_masked(start_time)  # [B, V]
        shape = (-1,) + (1,) * (len(z.shape) - 1) + (log_masked.shape[-1],)
        return ops.reshape(log_masked, shape)

    def most_calls(self, run) -> int:
        """The most network calls that a run can take."""
        raise NotImplementedError

    def unfinished(self, run, calls, z, memory):
        """Whether a network call is still needed, bool scalar."""
        raise NotImplementedError

    def advance(self, run, calls, z, memory):
        """One network call and what follows from it: the next state."""
        raise NotImplementedError

    def denoise(self, run, z, t, compute=None):
        """Logits for the sampler: guided, and divided by the temperature.

        Args:
            run: from `prepare`.
            z: int32 tensor `[B, *data_shape]`.
            t: float32 tensor `[B]`.
            compute: function of tokens, time and labels that returns logits; by default the
                model's `network_logits`.
        """
        compute = compute or self.model.network_logits
        labels = run["labels"]
        if run["guidance"] is None:
            logits = compute(z, t, labels)
        else:  # classifier-free guidance: both halves in one call
            null = ops.full_like(labels, self.model.network.num_classes)
            twice = [ops.concatenate([each, each], axis=0) for each in (z, t)]
            both = compute(*twice, ops.concatenate([labels, null], axis=0))
            conditional, unconditional = ops.split(both, 2, axis=0)
            logits = unconditional + run["guidance"] * (conditional - unconditional)
        return (logits - run["correction"]) / run["temperature"]


class SteppedProcess(ReverseProcess):
    """Step `i` of `T` goes from `t[i]` to `s[i]`; one more call fills what is still masked."""

    def prepare(self, z, labels, start_time, settings):
        num_steps = settings.num_steps
        # Grids are padded to a power of two, so that few numbers of steps compile anew. Entry T
        # is (0, 0): the network's time when the last masks are filled.
        grid = np.zeros((2, 1 << num_steps.bit_length()), dtype="float32")
        grid[:, :num_steps] = settings.grid
        return {
            **super().prepare(z, labels, start_time, settings),
            "num_steps": ops.convert_to_tensor(num_steps, dtype="int32"),
            "grid": ops.convert_to_tensor(grid),
            "start_time": ops.convert_to_tensor(start_time, dtype="float32"),
        }

    def run_stepwise(self, z, labels, start_time, settings):
        """As `ReverseProcess.run_stepwise`, but yields the state after each step, `T` in all."""
        for state in super().run_stepwise(z, labels, start_time, settings):
            if state[1] < settings.num_steps:
                yield state
        yield state  # filling what is left belongs to the last step

    def most_calls(self, run) -> int:
        return int(_numpy(run["num_steps"])) + 1

    def unfinished(self, run, calls, z, memory):
        some_masked = ops.any(ops.equal(z, self.model.mask_token))
        return (calls < run["num_steps"]) | ((calls == run["num_steps"]) & some_masked)

    def advance(self, run, calls, z, memory):
        t = ops.take(run["grid"][0], calls) * run["start_time"]  # [B]
        s = ops.take(run["grid"][1], calls) * run["start_time"]
        schedule = Started(self.model.schedule, run["start_time"])
        logits = self.denoise(run, z, t)
        batch_size, *data_shape = ops.shape(z)  # tensors, where an exported graph leaves them open
        sample_ids = ops.arange(batch_size, dtype="int32")
        noise = random.uniforms(run["seed"], sample_ids, data_shape, calls)
        z, memory = ops.cond(
            calls < run["num_steps"],
            lambda: self.sampler.step(logits, z, s, t, schedule, noise, memory),
            lambda: (self.sampler.finish(logits, z, noise), memory),
        )
        return calls + 1, z, memory


def _numpy(tensor) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))
