"""The reverse process inside a graph: the request's settings are tensors.

The steps are those of `md4keras.models.generation`, with the same noise, so a request gives the
tokens of `model.generate` and `model.infill` with the same seed.
"""

import dataclasses
import math

from keras import ops

from md4keras import random
from md4keras.models.generation import SteppedProcess
from md4keras.models.scoring import closes_pair
from md4keras.samplers.filters import keep_top_p
from md4keras.schedules import Started


class ExportedProcess(SteppedProcess):
    """A sampler bound to a model, for one trace of a graph.

    Args:
        model: a `md4keras` model.
        sampler: a `Sampler` of steps.
        top_p: float32 scalar tensor, the mass to keep after the sampler's own filters; 1 for all.
    """

    def __init__(self, model, sampler, top_p):
        def requested_top_p(logits):
            return ops.where(top_p < 1.0, keep_top_p(logits, top_p), logits)

        filters = (*sampler.filters, requested_top_p)
        super().__init__(model, dataclasses.replace(sampler, filters=filters))

    def run(self, z, labels, start_time, request):
        """Tokens without masks, int32 like `z`, and the number of network calls, int32."""
        run = self.prepare(z, labels, start_time, request)
        run["num_steps"] = request["num_steps"]
        run["grid"] = time_grid(request["num_steps"], request["time_grid"])
        calls, z, _ = self._run_loop(run, *self._first_state(z))
        return z, calls

    def run_step(self, z, memory, labels, request):
        """One step from `t` to `s`, or, at `t = 0`, the filling of what is left; see `advance`."""
        batch_size, *data_shape = ops.shape(z)
        t, s, start_time = (
            ops.broadcast_to(request[name], (batch_size,)) for name in ("t", "s", "start_time")
        )
        run = self.prepare(z, labels, start_time, request)
        sample_ids = ops.arange(batch_size, dtype="int32")
        noise = random.uniforms(run["seed"], sample_ids, data_shape, request["step"])
        logits = self.denoise(run, z, t)
        schedule = Started(self.model.schedule, start_time)
        return ops.cond(
            request["t"] > 0.0,
            lambda: self.sampler.step(logits, z, s, t, schedule, noise, memory),
            lambda: (self.sampler.finish(logits, z, noise), memory),
        )

    def prepare(self, z, labels, start_time, settings):
        """As `SteppedProcess.prepare`, from the tensors of a request (a dictionary)."""
        return {
            "labels": labels,
            "seed": seed_word(settings["seed"]),
            "temperature": settings["temperature"],
            "correction": self._correction(z, start_time),
            "guidance": settings.get("guidance"),
            "start_time": start_time,
        }

    def denoise(self, run, z, t, compute=None):
        """As `ReverseProcess.denoise`; a guidance of 1 is the conditional model to the bit."""
        if run["guidance"] is None:
            return super().denoise(run, z, t, compute)
        plain = {**run, "guidance": None}
        return ops.cond(
            ops.equal(run["guidance"], 1.0),
            lambda: super(ExportedProcess, self).denoise(plain, z, t, compute),
            lambda: super(ExportedProcess, self).denoise(run, z, t, compute),
        )


def time_grid(num_steps, name):
    """`samplers.make_time_grid` in the graph: `t` and `s`, and a last column of zeros.

    Args:
        num_steps: int32 scalar tensor, `T`.
        name: string scalar tensor, `"cosine"` or anything else for uniform.

    Returns:
        float32 tensor `[2, T + 1]`.
    """
    left = ops.cast(ops.arange(num_steps, -1, -1), "float64") / ops.cast(num_steps, "float64")
    cosine = ops.cos(0.5 * math.pi * (1.0 - left))
    inside = ops.arange(num_steps + 1) < num_steps
    cosine = ops.where(inside, cosine, ops.zeros_like(cosine))
    times = ops.cast(ops.where(ops.equal(name, "cosine"), cosine, left), "float32")  # 1 .. 0
    return ops.stack([times, ops.concatenate([times[1:], ops.zeros((1,), "float32")])])


def seed_word(seed):
    """`random.seed_word` of an int64 tensor in `[0, 2**32)`: int32 with the same bits."""
    return ops.cast(ops.where(seed >= 2**31, seed - 2**32, seed), "int32")


def score(model, x, labels, seed, num_draws):
    """`model.score` in the graph.

    Args:
        model: a `md4keras` model.
        x: int32 tensor `[B, *data_shape]`.
        labels: int32 tensor `[B]`, or `None` without classes.
        seed: int64 scalar tensor.
        num_draws: int32 scalar tensor, at least 2.

    Returns:
        float64 tensors `[B]`: the bound in nats, and its standard error.
    """
    batch_size = ops.shape(x)[0]
    inputs = {
        "x": x,
        "labels": labels,
        "given": None,
        "example": ops.arange(batch_size, dtype="int32"),
        "num_samples": ops.cast(num_draws, "float32"),
        "seed": seed_word(seed),
    }

    def one_draw(k, total, squares, previous):
        draw = ops.broadcast_to(k, (batch_size,))
        nats = ops.cast(model.draw_bounds({**inputs, "draw": draw}), "float64")
        difference = ops.where(closes_pair(k, num_draws), nats - previous, ops.zeros_like(nats))
        return k + 1, total + nats, squares + difference**2, nats

    zeros = ops.zeros((batch_size,), dtype="float64")
    start = (ops.zeros((), dtype="int32"), zeros, zeros, zeros)
    _, total, squares, _ = ops.while_loop(lambda k, *_: k < num_draws, one_draw, start)
    count = ops.cast(num_draws, "float64")
    return total / count, ops.sqrt(squares) / count
