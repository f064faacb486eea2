"""The exact likelihood under a sampler that chooses its positions by the state alone.

Such a sampler takes one path for each `x`: call `k` of the network sees `z_k`, reveals the
positions that `z_k` selects, and draws their tokens from `mu(z_k)`. So

    log p(x) = sum over calls k, over the positions i revealed in call k, of log mu_i(x_i | z_k)

along the path that `x` itself takes. The sum of `p` over all `x` is 1. Of equally good positions
the first in the example comes first, as in sampling with `ties="first"`. A model that draws block
by block has such a path in each block, given the tokens of those before it.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from md4keras import distribution
from md4keras.backend import to_numpy
from md4keras.checks import check_whole
from md4keras.losses import cross_entropy
from md4keras.models import batches
from md4keras.models.batches import Batch
from md4keras.models.padding import padded_size
from md4keras.models.settings import Settings
from md4keras.samplers import Ordered
from md4keras.samplers.drawing import NOTHING, check_drawn, has_something
from md4keras.samplers.states import Run, Start, State
from md4keras.samplers.stepped_process import SteppedProcess
from md4keras.schedules import Rescaled

_CUT = 1e6  # nats: a token that a filter cut away, whose probability is 0, has more


class _Path(NamedTuple):
    """A `Grid`, and the tokens whose path is taken."""

    num_steps: Any
    t: Any
    s: Any
    x: Any


class PathProcess(SteppedProcess):
    """The reverse process with the tokens of `x` in place of those that are drawn.

    What a state remembers are the nats of the positions that were revealed, minus infinity where
    the filters left nothing to draw.
    """

    def first_memory(self, z):
        """No nats so far."""
        return ops.zeros_like(z, dtype="float32")

    def path_of(self, x, start: Start, settings) -> State:
        """The last state: all of `x` is revealed, and what is remembered are its nats.

        Args:
            x: int32 `[B, *data_shape]`.
            start, settings: as of `ReverseProcess.run`.
        """
        run = self.prepare(start, settings)
        run = run._replace(plan=_Path(*run.plan, ops.convert_to_tensor(x)))
        return self._loop(run, self.first_state(start.z))

    def step(self, run: Run, state: State, t, s) -> State:
        """As `SteppedProcess.step`, along the path of `run.plan.x`."""
        z, schedule, sampler = state.z, Rescaled(self.model.schedule, run.start_time), self.sampler
        logits, x = self.denoise(run, z, t), run.plan.x
        revealed = ops.cond(
            ops.any(t > 0.0),
            lambda: sampler.chosen(logits, z, s, t, schedule, None, run.given),
            lambda: ops.equal(z, self.model.mask_token),
        )
        filtered = sampler.filter(logits)
        nats = cross_entropy(filtered, x)
        nats = ops.where(has_something(filtered), nats, -float("inf"))
        remembered = ops.where(revealed, nats, state.remembered)
        return State(state.calls + 1, ops.where(revealed, x, z), remembered, state.step + 1)


def nats_of(model, batch: Batch, sampler, num_steps: int, time_grid: str, batch_size: int):
    """`-log p(x)` of each example under a sampler, float64 `[n]`.

    Args:
        model: a model.
        batch: of arrays, as `check_scoring` returns it.
        sampler, num_steps, time_grid: as of `generate`.
        batch_size: int, examples in one network call.

    Returns:
        float64 `[n]`, nats; infinite where the sampler's filters cut a token away.

    Raises:
        ValueError: for bad arguments, or a sampler whose choice does not depend on the state alone.
    """
    check_whole("batch_size", batch_size)
    settings = Settings(sampler, num_steps, time_grid, 1.0, 0, 1.0)
    _check_by_state(settings.sampler)
    start = _start_of(model, batch)
    size = distribution.whole_rows(min(batch_size, padded_size(len(batch.x))))
    found = []
    for first in range(0, len(batch.x), size):
        rows = np.minimum(np.arange(first, first + size), len(batch.x) - 1)
        whole = Start(*(None if each is None else each[rows] for each in start))
        parts = model.path_starts(batch.x[rows], whole, settings)
        found.append(sum(_nats_along(model, x, part, settings) for x, part in parts))
    return np.concatenate(found)[: len(batch.x)]


def _nats_along(model, x, start: Start, settings: Settings):
    """The nats of the tokens `x` that are masked at the start, float64 `[B]`."""
    sampler = settings.sampler
    key = "path", sampler, start.z.shape, *(part is None for part in start)
    process = model._functions.get(key, lambda: PathProcess(model, sampler))
    costs = to_numpy(process.path_of(x, start, settings).remembered)
    check_drawn(np.where(costs == -np.inf, NOTHING, x), sampler.filters)
    costs = np.where(costs > _CUT, np.inf, costs.astype("float64"))
    return costs.reshape(len(x), -1).sum(axis=1)


def _check_by_state(sampler) -> None:
    if isinstance(sampler, Ordered) and sampler.by_state:
        return
    raise ValueError(
        "This sampler's positions do not depend on the state alone, so the likelihood of what it "
        "draws is not known exactly. Expected `samplers.Confidence(...)` without noise, "
        "'left_to_right', 'halton', 'threshold', 'entropy_bound', or another `samplers.Ordered` "
        "that goes by the state. Received: "
        f"sampler={sampler}. `score` without a sampler bounds the model's own likelihood."
    )


def _start_of(model, batch: Batch) -> Start:
    """All that is scored masked, at the time at which `generate` or `infill` begins."""
    z, time = np.full_like(batch.x, model.mask_token), np.ones(len(batch.x), "float32")
    if batch.unscored is not None:
        unscored = np.broadcast_to(batches.to_array(batch.unscored), batch.x.shape)
        z = np.where(unscored, batch.x, z)
    if batch.given is not None:
        padding = None if batch.padding is None else batches.to_array(batch.padding)
        num_tokens = np.prod(z.shape[1:]) if padding is None else (~padding).sum(axis=1)
        masked = (z == model.mask_token).reshape(len(z), -1).sum(axis=1)
        fraction = (masked / np.maximum(num_tokens, 1)).astype("float32")
        time = np.where(
            fraction == 1.0,
            1.0,
            ops.convert_to_numpy(model.schedule.time_of_masked_fraction(fraction)),
        ).astype("float32")
    return Start(z, batch.labels, time, **batch.layout)
