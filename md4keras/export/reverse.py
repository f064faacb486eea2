"""The reverse process and the score inside a graph: the request's settings are tensors.

The steps are those of the model's own process, with the same noise, so a request gives the tokens
of `model.generate` and `model.infill` with the same seed.
"""

from keras import ops

from md4keras.models.batches import Batch
from md4keras.models.draws import Draws, closes_pair
from md4keras.random import seed_word
from md4keras.samplers import TIME_GRIDS, SteppedProcess
from md4keras.samplers.expected import with_filters
from md4keras.samplers.filters import keep_top_p
from md4keras.samplers.guidance import ClassifierFree
from md4keras.samplers.sampler import time_at
from md4keras.samplers.states import Grid, Run, State


class RequestedGuidance(ClassifierFree):
    """`ClassifierFree` whose scale a request chooses; 1 is the conditional model to the bit."""

    def __call__(self, denoise, z, t, labels, null_label):
        return ops.cond(
            ops.equal(self.scale, 1.0),
            lambda: denoise(z, t, labels),
            lambda: super(RequestedGuidance, self).__call__(denoise, z, t, labels, null_label),
        )


class RequestedProcess(SteppedProcess):
    """A sampler bound to a model, for one trace of a graph.

    The request's `top_p` is the mass to keep after the sampler's own filters, 1 for all.
    """

    def __init__(self, model, sampler, request):
        def requested_top_p(logits):
            top_p = request["top_p"]
            return ops.where(top_p < 1.0, keep_top_p(logits, top_p), logits)

        filters = (*sampler.filters, requested_top_p)
        super().__init__(model, with_filters(sampler, filters))
        self.request = request

    def run(self, z, start_time, padding_mask=None, cache=None) -> State:
        """The last state of a run from `z`, int32 `[B, *data_shape]`; for the others see `Run`."""
        given = ops.not_equal(z, self.model.mask_token)
        plan = time_grid(self.request["num_steps"], self.request["time_grid"])
        run = self._prepared(z, given, start_time, plan)
        run = run._replace(padding_mask=padding_mask, cache=cache)
        return self.loop(run, self.first_state(z))

    def run_step(self, z, given, remembered) -> State:
        """The state after a step from `t` to `s`; at `t = 0` all masks are filled.

        Args:
            z: int32 `[B, *data_shape]`.
            given: bool like `z`.
            remembered: as the sampler's `first_memory`.
        """
        times = (self.request[name] for name in ("t", "s", "start_time"))
        t, s, start_time = (ops.broadcast_to(time, (ops.shape(z)[0],)) for time in times)
        state = State(ops.zeros((), dtype="int32"), z, remembered, self.request["step"])
        return self.step(self._prepared(z, given, start_time), state, t, s)

    def _prepared(self, z, given, start_time, plan=None) -> Run:
        guidance = self.request.get("guidance")
        return Run(
            labels=self.request.get("labels"),
            padding_mask=None,
            start_time=start_time,
            given=given,
            seed=ops.cast(seed_word(self.request["seed"]), "int32"),
            temperature=self.request["temperature"],
            guidance=None if guidance is None else RequestedGuidance(guidance),
            correction=self.correction(z, start_time),
            plan=plan,
        )


def time_grid(num_steps, name) -> Grid:
    """`samplers.make_time_grid` of an int32 and a string tensor, in the graph."""
    left = ops.cast(ops.arange(num_steps, -1, -1), "float64") / ops.cast(num_steps, "float64")
    times = ops.zeros_like(left)
    for each in TIME_GRIDS:
        times = ops.where(ops.equal(name, each), time_at(left, each, ops.cos), times)
    # From 1 to 0, and 0 again: the end is exact.
    times = ops.concatenate([ops.cast(times[:-1], "float32"), ops.zeros((2,), "float32")])
    return Grid(num_steps, times[:-1], times[1:])


def score(model, request):
    """`model.score` in the graph: the bound and its standard error in nats, float64 `[B]`."""
    batch_size, num_draws = ops.shape(request["tokens"])[0], request["num_samples"]
    example = ops.arange(batch_size, dtype="int32")
    draws = Draws(
        batch=Batch(request["tokens"], request.get("labels")),
        example=example,
        draw=example,
        num_samples=ops.cast(num_draws, "float32"),
        seed=ops.cast(seed_word(request["seed"]), "int32"),
    )

    def one_draw(k, total, squares, previous):
        nats = model.draw_bounds(draws._replace(draw=ops.broadcast_to(k, (batch_size,))))
        nats = ops.cast(nats, "float64")
        difference = ops.where(closes_pair(k, num_draws), nats - previous, ops.zeros_like(nats))
        return k + 1, total + nats, squares + difference**2, nats

    zeros = ops.zeros((batch_size,), dtype="float64")
    start = (ops.zeros((), dtype="int32"), zeros, zeros, zeros)
    _, total, squares, _ = ops.while_loop(lambda k, *_: k < num_draws, one_draw, start)
    count = ops.cast(num_draws, "float64")
    return total / count, ops.sqrt(squares) / count
