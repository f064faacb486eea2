"""The contract of a sampler: time grids, filters, one reverse step, and what repeats it."""

import collections.abc
import dataclasses
import math

import keras
import numpy as np
from keras import ops

from md4keras.checks import check_name, check_whole
from md4keras.samplers.drawing import draw
from md4keras.samplers.expected import Expected
from md4keras.samplers.stepped_process import SteppedProcess

_SHAPES = {
    "cosine": lambda left, cos: cos(0.5 * math.pi * (1.0 - left)),
    "uniform": lambda left, cos: left,
}
TIME_GRIDS = tuple(_SHAPES)


def time_at(left, grid: str, cos=np.cos):
    """The time at which a part of the steps is left, as `left`.

    Uniform: `left` itself. Cosine: `cos(pi/2 (1 - left))`, which takes its smallest steps near
    time 1.

    Args:
        left: float64 array in `[0, 1]`, or a tensor with the `cos` of its kind.
        grid: `"cosine"` or `"uniform"`.
        cos: function.
    """
    return _SHAPES[grid](left, cos)


def make_time_grid(num_steps: int, grid: str = "cosine"):
    """Times of the reverse process: step `i` of `T` goes from `t[i]` down to `s[i]`.

    Args:
        num_steps: int, `T`.
        grid: `"cosine"` or `"uniform"`; see `time_at`.

    Returns:
        `t`, `s`: float32 NumPy arrays `[T]`, from 1 to exactly 0. Computed on the host, so that all
        backends step through the same bits.

    Raises:
        ValueError: for an unknown grid, or fewer than one step.

    Example:

    >>> t, s = make_time_grid(4, "uniform")
    >>> t.tolist(), s.tolist()
    ([1.0, 0.75, 0.5, 0.25], [0.75, 0.5, 0.25, 0.0])
    """
    check_whole("num_steps", num_steps)
    check_name("time_grid", grid, TIME_GRIDS)
    times = time_at(np.arange(num_steps, -1, -1, dtype="float64") / num_steps, grid)  # 1 .. 0
    times[-1] = 0.0
    times = times.astype("float32")
    return times[:-1], times[1:]


class Configured:
    """A frozen data class whose configuration is its fields."""

    def get_config(self) -> dict:
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: dict):
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})


@dataclasses.dataclass(frozen=True)
class Sampler(Expected, Configured):
    """One reverse step on logits and noise. The loop belongs to the process.

    Samplers are frozen data classes: two with the same settings are equal, and share what was
    compiled for them.

    Args:
        filters: sequence of `TopP`, `TopK` or functions of logits, applied in order. A filter acts
            on the last axis alone, whatever stands before it: samplers with a plan show it the
            rows that are needed, in an order of their own.

    A sampler of one's own is a subclass with `step`, which draws tokens by `draw`, and
    `step_probabilities`. What else a process asks for has a default: the members of
    `samplers.expected.Expected`, such as `remembers` and `is_idle`.

    Example:

    >>> sampler = md4keras.samplers.Ancestral(filters=[md4keras.samplers.TopK(1)])
    >>> logits, zt = np.log([[[0.6, 0.3, 0.1]]]), np.array([[3]])  # 3 is the mask
    >>> schedule = md4keras.schedules.Linear()
    >>> print(np.asarray(sampler.step_probabilities(logits, zt, 0.5, 1.0, schedule)).round(2))
    [[[0.5 0. 0. 0.5]]]
    """

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
        """The logits of what is drawn, float32: over the temperature of the run, after all filters.

        (In a run the temperature is one of the filters; without one it is 1.)
        """
        logits = ops.cast(logits, "float32")
        for each in self.filters:
            logits = each(logits)
        return logits

    def draw(self, logits, noise):
        """Tokens at every position, from the logits after temperature and filters.

        Args:
            logits: float tensor `[B, *data_shape, V]`, the network's.
            noise: a `Noise`, or another pair of uniforms.

        Returns:
            int32 tensor `[B, *data_shape]`; -1 where the filters left nothing, or logits are NaN.
        """
        return draw(self.filter(logits), noise[1])

    def make_process(self, model):
        """The reverse process of a model under this sampler, a `ReverseProcess`."""
        return SteppedProcess(model, self)

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
            noise: a `Noise`: a pair of float32 tensors `[B, *data_shape]`, uniform in `[0, 1)`.
            memory: a `Memory`.

        Returns:
            `zs`, int32 `[B, *data_shape]`, and what the next step finds in `memory.remembered`.
        """
        raise NotImplementedError

    def finish(self, logits, zt, noise):
        """Fills what is still masked after the last step, given the logits at time 0."""
        return ops.where(ops.equal(zt, logits.shape[-1]), self.draw(logits, noise), zt)

    def get_config(self) -> dict:
        filters = [keras.saving.serialize_keras_object(each) for each in self.filters]
        return {**super().get_config(), "filters": filters}


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
