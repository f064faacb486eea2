"""The forward process: draw a time, mask tokens, reach the prior.

Reference: Shi et al. 2024 (arXiv 2406.04329), Section 2; the low-discrepancy times are those of
Kingma et al. 2021 (*Variational Diffusion Models*, Appendix I).
"""

import keras
from keras import ops

TIME_SAMPLING = ("antithetic", "independent")


def sample_times(batch_size, seed_generator, method: str = "antithetic"):
    """Draws one time per example.

    Args:
        batch_size: int or scalar tensor, `B` (under data parallelism the global batch).
        seed_generator: a `keras.random.SeedGenerator`.
        method: `"antithetic"`: one uniform `u` for the batch and `t_i = (u + i/B) mod 1`, so that
            a batch covers `[0, 1)` evenly; `"independent"`: `B` uniforms.

    Returns:
        float32 tensor `[B]` in `[0, 1)`.
    """
    check_time_sampling(method)
    if method == "independent":
        return keras.random.uniform((batch_size,), seed=seed_generator, dtype="float32")
    offset = keras.random.uniform((), seed=seed_generator, dtype="float32")
    return spread_times(offset, batch_size)


def spread_times(offset, batch_size):
    """`(offset + i/B) mod 1` for `i = 0..B-1`: exactly `B` evenly spaced times, `[B]`."""
    steps = ops.cast(ops.arange(batch_size), "float32") / ops.cast(batch_size, "float32")
    times = offset + steps
    return times - ops.floor(times)


def discretize_times(t, timesteps: int):
    """Rounds times up to the grid of a discrete-time model: `(floor(t T) + 1) / T`.

    Args:
        t: float tensor in `[0, 1]`.
        timesteps: int, `T`.
    """
    step = ops.minimum(ops.floor(t * timesteps), timesteps - 1.0)
    return (step + 1.0) / timesteps


def mask_tokens(x, alpha_t, uniforms, mask_token: int):
    """Draws `zt` given `x`: each position stays clean with probability `alpha_t` (Eq. 1).

    Args:
        x: int tensor `[B, *data_shape]`.
        alpha_t: float tensor that broadcasts against `x` (`[B, 1, ...]` for a scalar schedule).
        uniforms: float tensor of the shape of `x`, uniform in `[0, 1)`.
        mask_token: int, the id that stands for a masked position.
    """
    x, alpha_t, uniforms = map(ops.convert_to_tensor, (x, alpha_t, uniforms))
    return ops.where(uniforms < alpha_t, x, ops.full_like(x, mask_token))


def mask_by_rank(x, fraction, uniforms, mask_token: int):
    """Masks an exact number of positions, and says at which mask probability that happens.

    With `N` independent uniforms, masking those up to the `n`-th smallest masks a random set of
    exactly `n` positions, and the `n`-th smallest itself is distributed as the mask probability
    `m` given that `n` positions are masked (`Beta(n, N - n + 1)`, the posterior under the measure
    `dm / m` of the continuous-time objective). So `N/n` times the summed cross-entropy at the time
    where `1 - alpha = m` estimates the diffusion loss without bias, and without the variance that
    a random number of masks adds.

    Args:
        x: int tensor `[B, *data_shape]`.
        fraction: float tensor `[B]` in `[0, 1)`, selects `n = floor(fraction N) + 1`.
        uniforms: float tensor of the shape of `x`, uniform in `[0, 1)`; or, where tokens have
            schedules of their own, the times at which they become masked.
        mask_token: int.

    Returns:
        `zt` (like `x`), the mask probability `m` (or the `n`-th time) `[B]`, and `n` as float32
        `[B]`.
    """
    x, uniforms = ops.convert_to_tensor(x), ops.convert_to_tensor(uniforms)
    batch_size, num_positions = ops.shape(x)[0], positions(x)
    ordered = ops.sort(ops.reshape(uniforms, (batch_size, num_positions)), axis=-1)
    rank = ops.cast(ops.floor(fraction * num_positions), "int32")
    rank = ops.clip(rank, 0, num_positions - 1)
    probability = ops.take_along_axis(ordered, ops.expand_dims(rank, -1), axis=-1)[:, 0]  # [B]
    zt = ops.where(
        uniforms <= expand_like(probability, x), ops.full_like(x, mask_token), x
    )  # [B, *data_shape]
    return zt, probability, ops.cast(rank + 1, "float32")


def prior(shape, mask_token: int):
    """The state at time 1: every position masked; int32 of the given shape."""
    return ops.full(shape, mask_token, dtype="int32")


def expand_like(values, x):
    """Reshapes `[B]` (or a scalar) so that it broadcasts against `x` `[B, ...]`."""
    values = ops.convert_to_tensor(values)
    if len(values.shape) == 0:
        return values
    return ops.reshape(values, (-1,) + (1,) * (len(x.shape) - 1))


def positions(x) -> int:
    """Number of positions of one example, the product of `data_shape`."""
    count = 1
    for size in ops.shape(x)[1:]:
        count = count * size
    return count


def check_time_sampling(method: str) -> None:
    """Raises a `ValueError` unless `method` is a known way to draw times."""
    if method not in TIME_SAMPLING:
        raise ValueError(
            f"Unknown way to draw times. Expected one of {TIME_SAMPLING}. "
            f"Received: time_sampling={method!r}"
        )
