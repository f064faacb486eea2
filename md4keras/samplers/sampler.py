"""What every sampler has in common: a time grid, filters, and the contract of a step."""

import collections.abc
import dataclasses
import math
import numbers

import keras
import numpy as np
from keras import ops

from md4keras.samplers.categorical import sample_categorical

TIME_GRIDS = ("cosine", "uniform")


def make_time_grid(num_steps: int, grid: str = "cosine"):
    """Times of the reverse process: step `i` goes from `t[i]` down to `s[i]`.

    Uniform: `t = (T - i)/T`, `s = t - 1/T`. Cosine: `cos(pi/2 (1 - .))` of these, which takes its
    smallest steps near time 1. The last `s` is exactly 0.

    Args:
        num_steps: int, `T`.
        grid: `"cosine"` or `"uniform"`.

    Returns:
        `t`, `s`: float32 NumPy arrays `[T]`. Computed on the host, so that all backends step
        through the same bits.

    Raises:
        ValueError: for an unknown grid, or fewer than one step.
    """
    whole = isinstance(num_steps, numbers.Integral) and not isinstance(num_steps, bool)
    if not whole or num_steps < 1:
        raise ValueError(
            f"Sampling needs a whole number of steps, at least 1. Received: num_steps={num_steps!r}"
        )
    if grid not in TIME_GRIDS:
        raise ValueError(
            f"Unknown time grid. Expected one of {TIME_GRIDS}. Received: time_grid={grid!r}"
        )
    times = np.arange(num_steps, -1, -1, dtype="float64") / num_steps  # 1 .. 0
    if grid == "cosine":
        times = np.cos(0.5 * math.pi * (1.0 - times))
        times[-1] = 0.0
    times = times.astype("float32")
    return times[:-1], times[1:]


@dataclasses.dataclass(frozen=True)
class Sampler:
    """One reverse step on logits and noise. The loop belongs to the model.

    Samplers are frozen data classes: two with the same settings are equal, and share what was
    compiled for them.

    Args:
        filters: sequence of `TopP`, `TopK` or functions of logits, applied in order. A filter acts
            on the last axis alone, whatever stands before it: samplers with a plan show it the
            rows that are needed, in an order of their own.

    Attributes:
        remembers: bool, whether `step` reads its `memory`; a subclass that does says so, and an
            exported step then has the memory as an input.
    """

    remembers = False

    filters: tuple = ()

    def __post_init__(self):
        several = isinstance(self.filters, (list, tuple))
        filters = tuple(self.filters) if several else (self.filters,)
        if not all(map(_is_filter, filters)):
            raise ValueError(
                "A filter takes logits and returns logits. Expected `TopP(...)`, `TopK(...)` or "
                f"functions, and hashable ones. Received: filters={self.filters!r}"
            )
        object.__setattr__(self, "filters", filters)

    def filter(self, logits):
        """The logits, float32, after all filters."""
        logits = ops.cast(logits, "float32")
        for each in self.filters:
            logits = each(logits)
        return logits

    def check_schedule(self, schedule) -> None:
        """Raises a `ValueError` if the sampler is not defined for this schedule."""

    def step_probabilities(self, logits, zt, s, t, schedule):
        """The distribution that one step draws from, each position on its own.

        Args:
            logits: float tensor `[B, *data_shape, V]`, the network's at `(zt, t)`, not filtered.
            zt: int tensor `[B, *data_shape]`; `V` is the mask token.
            s: float scalar or `[B]`, the time to reach.
            t: float scalar or `[B]`, the present time, `s < t`.
            schedule: the model's schedule.

        Returns:
            float32 tensor `[B, *data_shape, V + 1]`, the mask token last.
        """
        raise NotImplementedError

    def step(self, logits, zt, s, t, schedule, noise, memory):
        """Draws `zs` from `step_probabilities`.

        Args:
            logits, zt, s, t, schedule: as in `step_probabilities`.
            noise: pair of float32 tensors `[B, *data_shape]`, uniform in `[0, 1)`.
            memory: float32 tensor `[B, *data_shape]` that the sampler carries from step to step;
                at first infinity where a token was given, else 0.

        Returns:
            `zs`, int32 `[B, *data_shape]`, and the new memory.
        """
        raise NotImplementedError

    def finish(self, logits, zt, noise):
        """Fills what is still masked after the last step, given the logits at time 0."""
        masked = ops.equal(zt, logits.shape[-1])
        return ops.where(masked, sample_categorical(self.filter(logits), noise[1]), zt)

    def get_config(self) -> dict:
        config = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        config["filters"] = [keras.saving.serialize_keras_object(each) for each in self.filters]
        return config

    @classmethod
    def from_config(cls, config: dict):
        filters = [keras.saving.deserialize_keras_object(each) for each in config["filters"]]
        return cls(**{**config, "filters": filters})


def _is_filter(value) -> bool:
    is_function = callable(value) and not isinstance(value, type)
    return is_function and isinstance(value, collections.abc.Hashable)


def check_scalar_schedule(sampler, schedule) -> None:
    """Raises a `ValueError` for a schedule per token value."""
    if schedule.per_token:
        raise ValueError(
            f"{type(sampler).__name__} needs reveal times that do not depend on what is revealed. "
            "Expected a model with one schedule for all tokens (MD4). Received: a schedule per "
            "token value (GenMD4). Use 'ancestral' or 'confidence' there."
        )
