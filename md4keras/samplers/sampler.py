"""What every sampler has in common: a time grid and the contract of a step."""

import math

import numpy as np

TIME_GRIDS = ("cosine", "uniform")


def make_time_grid(num_steps: int, grid: str = "cosine", start_time: float = 1.0):
    """Times of the reverse process: step `i` goes from `t[i]` down to `s[i]`.

    Uniform: `t = (T - i)/T`, `s = t - 1/T`. Cosine: `cos(pi/2 (1 - .))` of these, which takes its
    smallest steps near time 1. The last `s` is exactly 0. Both are scaled by `start_time`.

    Args:
        num_steps: int, `T`.
        grid: `"cosine"` or `"uniform"`.
        start_time: float in `(0, 1]`, the time of the first state.

    Returns:
        `t`, `s`: float32 NumPy arrays `[T]`. Computed on the host, so that all backends step
        through the same bits.

    Raises:
        ValueError: for an unknown grid, fewer than one step, or a start outside `(0, 1]`.
    """
    if isinstance(num_steps, bool) or int(num_steps) != num_steps or num_steps < 1:
        raise ValueError(
            f"Sampling needs a whole number of steps, at least 1. Received: num_steps={num_steps}"
        )
    if grid not in TIME_GRIDS:
        raise ValueError(
            f"Unknown time grid. Expected one of {TIME_GRIDS}. Received: time_grid={grid!r}"
        )
    if not 0.0 < start_time <= 1.0:
        raise ValueError(
            "The reverse process must start at a time with something masked. "
            f"Expected 0 < start_time <= 1. Received: start_time={start_time}"
        )
    times = np.arange(num_steps, -1, -1, dtype="float64") / num_steps  # 1 .. 0
    if grid == "cosine":
        times = np.cos(0.5 * math.pi * (1.0 - times))
        times[-1] = 0.0
    times = (start_time * times).astype("float32")
    return times[:-1], times[1:]


class Sampler:
    """One reverse step on logits and noise. The loop belongs to the model."""

    def step_probabilities(self, logits, zt, s, t, schedule):
        """The distribution that one step draws from.

        Args:
            logits: float tensor `[B, *data_shape, V]`, the network's at `(zt, t)`.
            zt: int tensor `[B, *data_shape]`; `V` is the mask token.
            s: float scalar or `[B]`, the time to reach.
            t: float scalar or `[B]`, the present time, `s < t`.
            schedule: the model's schedule.

        Returns:
            float32 tensor `[B, *data_shape, V + 1]`, the mask token last.
        """
        raise NotImplementedError

    def step(self, logits, zt, s, t, schedule, noise):
        """Draws `zs` from `step_probabilities`.

        Args:
            logits, zt, s, t, schedule: as in `step_probabilities`.
            noise: pair of float32 tensors `[B, *data_shape]`, uniform in `[0, 1)`.

        Returns:
            int32 tensor `[B, *data_shape]`.
        """
        raise NotImplementedError

    def decode(self, logits, zt, noise):
        """Fills what is still masked after the last step, given the logits at time 0."""
        raise NotImplementedError

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)
