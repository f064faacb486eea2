"""Event-driven sampling: draw once when each position is revealed, and call the network only then.

When a position is revealed does not depend on what it becomes, if one schedule serves all token
values. So all reveal times can be drawn beforehand: a position with the uniform `u` is revealed
where the masked fraction `1 - alpha`, on its way from its value at the start down to 0, passes
`u` times that value.
"""

import dataclasses
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from md4keras import random
from md4keras.samplers.ancestral import Ancestral
from md4keras.samplers.drawing import Noise, likeliest
from md4keras.samplers.reverse_process import ReverseProcess, to_numpy
from md4keras.samplers.sampler import check_scalar_schedule
from md4keras.samplers.temperature import at_temperature


class Plan(NamedTuple):
    """Who is revealed when; each row has its own clock. Arrays from `plan`, tensors in a run.

    Attributes:
        order: int32 `[B, N]`, positions in the order of their events; those that are given last.
        rank: int32 `[B, N]`, the place of each position in `order`.
        event: int32 `[B, N]`, the number of each position's event in its row; `E` if given.
        first: int32 `[B, E]`, where the positions of an event begin in `order`; `N` for none.
        times: float32 `[B, E]`, the network's time at an event.
        most: int, the most positions that one event reveals.
        num_events: int, `E`; in a run the arrays are padded to a power of two of them.
        slots: int32 `[M]`, in a run: 0, 1, ..., places for what one event reveals.
        token_uniforms: float32 `[B, N]`, in a run: what decides each position's token.
    """

    order: Any
    rank: Any
    event: Any
    first: Any
    times: Any
    most: Any
    num_events: Any
    slots: Any = ()
    token_uniforms: Any = ()


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Event(Ancestral):
    """Ancestral sampling with the steps left out at which nothing happens.

    The same distribution as `Ancestral` on the same grid. Position by position,
    `P(step k) = (alpha(s_k) - alpha(t_k)) / (1 - alpha(start))`; each row calls the network only
    at its own steps, and only the rows of the vocabulary head that are needed are computed
    (where the head works position by position).

    Args:
        filters, last: see `Ancestral`.

    Example:

    >>> samples = model.generate(2, sampler=md4keras.samplers.Event(), num_steps=4)
    >>> samples.shape, int(samples.max()) < 5  # all positions are filled
    ((2, 8), True)
    """

    plans_on_host = True

    def check_schedule(self, schedule) -> None:
        check_scalar_schedule(self, schedule)

    def make_process(self, model):
        return PlannedProcess(model, self)

    def reveal(self, logits, noise, t):
        """What positions become: logits `[B, M, V]`, noise of `[B, M]`, times `[B]`."""
        tokens = self.draw(logits, noise)
        if self.last == "sample":
            return tokens
        return ops.where(ops.expand_dims(t, -1) > 0.0, tokens, likeliest(self.filter(logits)))

    def most_calls(self, left, num_steps, fractions=None):
        return int(left.max())  # before the plan is drawn, which tells the number

    def plan(self, uniforms, masked, grid, start_time, schedule) -> Plan:
        """Draws all reveal times.

        Args:
            uniforms: float32 array `[B, N]` in `[0, 1)`.
            masked: bool array `[B, N]`, what is to be revealed.
            grid: pair of float32 arrays `[T]`, `t` and `s`, from time 1 to 0.
            start_time: float32 array `[B]`, scales the grid for each row.
            schedule: a scalar schedule.
        """
        t, s = (np.asarray(times)[None] * start_time[:, None] for times in grid)  # [B, T]
        level = uniforms * to_numpy(schedule.masked_fraction(t[:, :1]))  # [B, N]
        ends = to_numpy(schedule.masked_fraction(s))  # [B, T], falling
        # The step of a position is the number of steps that end above its level.
        clock = np.stack(
            [
                len(row) - np.searchsorted(row[::-1], below, side="right")
                for row, below in zip(ends, level, strict=True)
            ]
        )
        # What no step reveals is filled at time 0, as `Ancestral` does.
        times = np.concatenate([t, np.zeros_like(t[:, :1])], axis=1)  # [B, T + 1]
        return _make_plan(clock, np.take_along_axis(times, clock, axis=1), masked)


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class FirstHitting(Event):
    """The limit of infinitely many steps: positions are revealed one by one at random times.

    With `n` masks left at time `t` the next is revealed where the masked fraction has fallen by
    the factor `U**(1/n)`; for the linear schedule `t U**(1/n)`. One network call for each masked
    position, whatever `num_steps` and `time_grid`. (`step_probabilities` states what happens over
    a finite step, to first order.)

    Reference: Zheng et al. 2024, *Masked Diffusion Models are Secretly Time-Agnostic Masked Models
    and Exploit Inaccurate Categorical Sampling*, Section 4.

    Args:
        filters, last: see `Ancestral`.

    Example:

    >>> states = model.sample_steps(1, sampler=md4keras.samplers.FirstHitting())
    >>> [int((state.tokens == model.mask_token).sum()) for state in states]
    [8, 7, 6, 5, 4, 3, 2, 1, 0]
    """

    def plan(self, uniforms, masked, grid, start_time, schedule) -> Plan:
        # The largest of n uniforms is U**(1/n), the next largest that times U**(1/(n - 1)), ...
        level = uniforms * to_numpy(schedule.masked_fraction(start_time[:, None]))  # [B, N]
        times = to_numpy(schedule.time_of_masked_fraction(level))
        clock = np.argsort(np.argsort(np.where(masked, -level, np.inf), axis=1), axis=1)
        return _make_plan(clock, times, masked)


class PlannedProcess(ReverseProcess):
    """A call for each event: call `i` makes the `i`-th event of every row, at the row's own time.

    All noise is drawn once: for each position one uniform that says when it is revealed, and one
    for what it becomes.
    """

    def plan(self, start, settings, seed):
        batch_size, *data_shape = start.z.shape
        flat = np.reshape(start.z, (batch_size, -1))  # [B, N]
        draw, sample_ids = ops.zeros((), dtype="int32"), ops.arange(batch_size, dtype="int32")
        first = None if start.cache is None else start.cache.length[:batch_size]
        when, what = random.uniforms(seed, sample_ids, data_shape, draw, first)
        plan = self.sampler.plan(
            np.reshape(to_numpy(when), flat.shape),
            flat == self.model.mask_token,
            settings.grid,
            start.time,
            self.model.schedule,
        )
        # Sizes are padded to powers of two, so that few plans compile anew.
        pad = ((0, 0), (0, _power_of_two(plan.num_events) - plan.num_events))
        slots = np.arange(min(_power_of_two(plan.most), flat.shape[1]), dtype="int32")
        plan = plan._replace(
            first=np.pad(plan.first, pad),
            times=np.pad(plan.times, pad),
            num_events=np.int32(plan.num_events),
            slots=slots,
            token_uniforms=ops.reshape(what, flat.shape),
        )
        return Plan(*map(ops.convert_to_tensor, plan))

    def most_calls(self, run):
        return int(to_numpy(run.plan.num_events))

    def unfinished(self, run, state):
        return state.calls < run.plan.num_events

    def advance(self, run, state):
        plan, calls, z = run.plan, state.calls, state.z
        t = ops.take(plan.times, calls, axis=1)  # [B]
        first = ops.take(plan.first, calls, axis=1)[:, None]  # [B, 1]
        places = ops.minimum(first + plan.slots, plan.order.shape[1] - 1)  # [B, M]
        positions = ops.take_along_axis(plan.order, places, axis=1)
        logits = self.denoise(run, z, t, positions)  # [B, M, V]
        uniforms = ops.take_along_axis(plan.token_uniforms, positions, axis=1)
        noise = Noise(None, uniforms)
        tokens = at_temperature(  # [B, M]
            run.temperature,
            self.sampler,
            lambda sampler, logits: sampler.reveal(logits, noise, t),
            logits,
        )
        slot = ops.clip(plan.rank - first, 0, tokens.shape[1] - 1)  # [B, N]
        flat = ops.reshape(z, plan.order.shape)  # [B, N]
        due = ops.equal(plan.event, calls)
        flat = ops.where(due, ops.take_along_axis(tokens, slot, axis=1), flat)
        return state._replace(calls=calls + 1, z=ops.reshape(flat, z.shape))


def _make_plan(clock, times, masked) -> Plan:
    """A plan from the step (whole numbers) and the network's time of each position, `[B, N]`."""
    batch_size, count = clock.shape
    never = clock.max() + 1
    clock = np.where(masked, clock, never)
    order = np.argsort(clock, axis=1, kind="stable")  # [B, N]
    ordered = np.take_along_axis(clock, order, axis=1)
    begins = np.diff(ordered, axis=1, prepend=-1) > 0  # the first position of each event
    number = np.cumsum(begins, axis=1) - 1
    begins &= ordered < never
    events = int(begins.sum(axis=1).max())
    event = np.empty_like(clock)
    np.put_along_axis(event, order, np.where(ordered < never, number, events), axis=1)
    first = np.full((batch_size, events), count)
    event_times = np.zeros((batch_size, events), "float32")
    rows, places = np.nonzero(begins)
    first[rows, number[rows, places]] = places
    event_times[rows, number[rows, places]] = times[rows, order[rows, places]]
    most = max(int(np.bincount(row[row < events]).max(initial=1)) for row in event)
    rank = np.argsort(order, axis=1)
    whole = (a.astype("int32") for a in (order, rank, event, first))
    return Plan(*whole, event_times, most, events)


def _power_of_two(count: int) -> int:
    """The smallest power of two that is at least `count`."""
    return 1 << (count - 1).bit_length()
