"""The reverse process of a model: from masks to tokens, in one compiled loop or state by state.

For a schedule per token value `alpha` depends on the token; all else is this, with every row of
the batch on its own clock, and noise that depends on `(seed, row, position, step)` alone:

    z = masks, between given tokens if there are any
    for t, s in time_grid:                                # from 1 to 0
        logits = network(z, t)                            # guided
        token = draw(logits)                              # at every position
        reveal = masked(z) and (u < (alpha(s) - alpha(t)) / (1 - alpha(t)))
        z = where(reveal, token, z)
    z = where(masked(z), draw(network(z, 0)), z)

`draw` is `samplers.drawing`'s: from `softmax(filter(logits / temperature))`. Steps of a plan
that reveal nothing take no call.

A process is a sampler bound to a model: `prepare` makes what stays as it is, `advance` is one
network call and what follows from it. `run` and `states` repeat it with the same noise, so they
agree token for token.
"""

from collections.abc import Iterator

import numpy as np
from keras import ops

from md4keras import random
from md4keras.backend import compile_function, to_numpy
from md4keras.samplers.drawing import check_drawn
from md4keras.samplers.expected import completed
from md4keras.samplers.guidance import ClassifierFree, PromptMasked
from md4keras.samplers.states import Ahead, Run, SampleState, Start, State
from md4keras.schedules import Rescaled


class ReverseProcess:
    """A sampler bound to a model's network and schedule.

    A subclass gives `plan`, `most_calls`, `unfinished` and `advance`.

    Args:
        model: has `network_logits(zt, time, labels, padding_mask=..., segment_ids=...)`, `network`,
            `schedule` and `mask_token`; one that draws block by block has `logits_after(cache, zt,
            labels, padding_mask=...)`.
        sampler: a `md4keras.samplers.Sampler`.
    """

    def __init__(self, model, sampler):
        sampler = completed(sampler)
        sampler.check_schedule(model.schedule)
        sampler.check_data_shape(model.network.data_shape)
        self.model = model
        self.sampler = sampler
        self._begin = self.begin
        self._loop = compile_function(model, self.loop)
        self._advance = compile_function(model, self.advance)

    def run(self, start: Start, settings) -> np.ndarray:
        """Tokens without masks, int32 `[B, *data_shape]`, from one compiled loop.

        Args:
            start: a `Start`.
            settings: has `num_steps`, `grid` (`t` and `s` of each step), `temperature`, `seed` and
                `guidance_scale`.
        """
        run = self.prepare(start, settings)
        return self._drawn(self._loop(run, self.first_state(start.z)))

    def states(self, start: Start, settings) -> Iterator[SampleState]:
        """The same run as an iterator of states: the first, and one after each network call."""
        run = self.prepare(start, settings)
        state, most = self._begin(run, self.first_state(start.z)), self.most_calls(run)
        yield SampleState(to_numpy(state.z), 0, most)
        while bool(to_numpy(self.unfinished(run, state))):
            state = self._advance(run, state)
            yield SampleState(self._drawn(state), int(to_numpy(state.calls)), most)

    def loop(self, run: Run, state: State) -> State:
        """The state in which nothing is left to do, or nothing can be drawn (`check_drawn`)."""
        state = self.begin(run, state)

        def goes_on(*state):
            state = State(*state)
            return self.unfinished(run, state) & ops.all(state.z >= 0)

        return State(
            *ops.while_loop(
                goes_on, lambda *state: tuple(self.advance(run, State(*state))), tuple(state)
            )
        )

    def _drawn(self, state: State) -> np.ndarray:
        tokens = to_numpy(state.z)
        check_drawn(tokens, self.sampler.filters)
        return tokens

    def prepare(self, start: Start, settings) -> Run:
        """What the calls read; computed outside of the compiled loop."""
        seed = _tensor(random.seed_word(int(settings.seed)), "int32")
        return Run(
            labels=_tensor(start.labels, "int32"),
            padding_mask=_tensor(start.padding_mask, "bool"),
            start_time=_tensor(start.time, "float32"),
            given=_tensor(start.z != self.model.mask_token, "bool"),
            seed=seed,
            temperature=_tensor(settings.temperature, "float32"),
            guidance=self.guidance(start, settings.guidance_scale),
            correction=self.correction(start.z, start.time),
            plan=self.plan(start, settings, seed),
            segment_ids=_tensor(start.segment_ids, "int32"),
            ahead=_ahead_of(start),
            cache=start.cache,
        )

    def guidance(self, start: Start, scale: float):
        """What makes one of the logits of two conditions, or `None` for the model itself."""
        if scale == 1.0:
            return None
        scale = _tensor(scale, "float32")
        if start.prompt is None:
            return ClassifierFree(scale)
        mask_token = _tensor(self.model.mask_token, "int32")
        return PromptMasked(scale, _tensor(start.prompt, "bool"), mask_token)

    def first_state(self, z) -> State:
        """The state before any network call, from tokens `[B, *data_shape]`."""
        z, zero = _tensor(z, "int32"), ops.zeros((), dtype="int32")
        return State(zero, z, self.first_memory(z), zero)

    def begin(self, run: Run, state: State) -> State:
        """The first state, of which it is known when the network is called first."""
        return state

    def first_memory(self, z):
        """What is remembered before the first step."""
        return self.sampler.first_memory(z, self.model.mask_token)

    def correction(self, z, start_time):
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

    def plan(self, start: Start, settings, seed):
        """When the network is called, as tensors."""
        raise NotImplementedError

    def most_calls(self, run: Run) -> int:
        """The most network calls that a run can take."""
        raise NotImplementedError

    def unfinished(self, run: Run, state: State):
        """Whether a network call is still needed, bool scalar."""
        raise NotImplementedError

    def advance(self, run: Run, state: State) -> State:
        """One network call and what follows from it."""
        raise NotImplementedError

    def denoise(self, run: Run, z, t, positions=None):
        """Logits for the sampler, the model's own: guided, and without what masks do not tell.

        Args:
            run: from `prepare`.
            z: int32 tensor `[B, *data_shape]`.
            t: float32 tensor `[B]`.
            positions: int32 tensor `[B, M]`, where logits are wanted; `None` for everywhere.
        """

        def logits_of(z, t, labels):
            def tiled(rows):  # guidance doubles the batch
                times = 1 if rows is None else ops.shape(z)[0] // ops.shape(rows)[0]
                return None if rows is None else ops.tile(rows, (times, 1))

            where = {
                "positions": positions,
                "padding_mask": run.padding_mask,
                "segment_ids": run.segment_ids,
            }
            where = {name: tiled(rows) for name, rows in where.items()}
            if run.cache is not None:
                del where["segment_ids"]
                cache = run.cache.of_rows(ops.shape(z)[0])
                return self.model.logits_after(cache, z, labels, **where)
            return self.model.network_logits(z, t, labels, **where)

        if run.ahead is not None:
            z, t = self._with_ahead(run, z, t)
        if run.guidance is None:
            logits = logits_of(z, t, run.labels)
        else:
            logits = run.guidance(logits_of, z, t, run.labels, self.model.network.num_classes)
        return logits - run.correction

    def _with_ahead(self, run: Run, z, t):
        """The state as the network sees it, and the time at which so much is masked.

        The sampler's clock runs from the start to 0 while what is to be drawn is revealed; the
        network's stops where the masks ahead are left.
        """
        schedule, ahead = self.model.schedule, run.ahead
        left = Rescaled(schedule, run.start_time).masked_fraction(t)  # [B], from 1 to 0
        first = schedule.masked_fraction(run.start_time)
        fraction = ahead.fraction + (first - ahead.fraction) * left
        t = ops.where(ahead.fraction > 0.0, schedule.time_of_masked_fraction(fraction), t)
        return ops.where(ahead.mask, self.model.mask_token, z), t


def _ahead_of(start: Start) -> Ahead | None:
    if start.ahead is None:
        return None
    tokens = start.ahead.shape[1] if start.padding_mask is None else start.padding_mask.sum(axis=1)
    fraction = start.ahead.sum(axis=1) / np.maximum(tokens, 1)
    return Ahead(_tensor(start.ahead, "bool"), _tensor(fraction, "float32"))


def _tensor(value, dtype: str):
    return None if value is None else ops.convert_to_tensor(value, dtype=dtype)
