"""Time grids: the times between which a reverse process steps."""

import math

import numpy as np

from md4keras.checks import check_name, check_whole

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
    """
    check_whole("num_steps", num_steps)
    check_name("time_grid", grid, TIME_GRIDS)
    times = time_at(np.arange(num_steps, -1, -1, dtype="float64") / num_steps, grid)  # 1 .. 0
    times[-1] = 0.0
    times = times.astype("float32")
    return times[:-1], times[1:]
