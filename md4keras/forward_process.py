"""The forward process: draw a time, mask tokens.

Reference: Shi et al. 2024 (arXiv 2406.04329), Section 2; the low-discrepancy times are those of
Kingma et al. 2021 (*Variational Diffusion Models*, Appendix I).
"""

import keras
from keras import ops

from md4keras.checks import check_name

__all__ = ["discretize_times", "mask_by_rank", "mask_tokens", "sample_times"]

TIME_SAMPLING = ("antithetic", "independent")


def sample_times(batch_size, seed_generator, method: str = "antithetic", counted=None):
    """Draws one time per example.

    Args:
        batch_size: int or scalar tensor, `B` (under data parallelism the global batch).
        seed_generator: a `keras.random.SeedGenerator`.
        method: `"antithetic"`: one uniform `u` for the batch and `t_i = (u + i/B) mod 1`, so that
            a batch covers `[0, 1)` evenly; `"independent"`: `B` uniforms.
        counted: bool tensor `[B]`, the rows that count, which alone are counted; `None` for all.

    Returns:
        float32 tensor `[B]` in `[0, 1)`.

    Example:

    >>> times = np.asarray(sample_times(4, keras.random.SeedGenerator(0)))
    >>> np.sort(np.floor(4 * times)).tolist()  # one in each quarter
    [0.0, 1.0, 2.0, 3.0]
    """
    check_name("time_sampling", method, TIME_SAMPLING)
    if method == "independent":
        return noise_of_rows((batch_size,), seed_generator, counted)
    offset = keras.random.uniform((), seed=seed_generator, dtype="float32")
    strata, count = _strata(batch_size, counted)
    times = offset + strata / count
    return times - ops.floor(times)


def noise_of_rows(shape, seed_generator, counted=None):
    """Uniforms in `[0, 1)` of a shape, float32; those of a row depend on its number.

    Rows that do not count have no number: wherever they were added, the others have the noise that
    they would have without them.

    Args:
        shape: of the batch, `(B, ...)`.
        seed_generator: a `keras.random.SeedGenerator`.
        counted: bool tensor `[B]`, the rows that count, or `None` for all.
    """
    noise = keras.random.uniform(shape, seed=seed_generator, dtype="float32")
    if counted is None:
        return noise
    numbers = ops.maximum(ops.cumsum(ops.cast(counted, "int32")) - 1, 0)
    return ops.take(noise, numbers, axis=0)


def spread_times(point, batch_size, counted=None):
    """`((i + r) mod B + o) / B` for `i = 0..B-1`: one number in each of `B` equal strata, `[B]`.

    Args:
        point: float tensor `[2]` in `[0, 1)`: the place `o` in each stratum, and the rotation of
            strata `r = floor(B point[1])`. Uniform points give uniform numbers.
        batch_size, counted: as in `sample_times`.
    """
    strata, count = _strata(batch_size, counted)
    strata = strata + ops.floor(point[1] * count)
    strata = strata - count * ops.floor(strata / count)
    return ops.minimum((strata + point[0]) / count, 1.0 - 2.0**-24)


def _strata(batch_size, counted):
    """The number of each row among those that count, float32 `[B]`, and how many these are."""
    if counted is None:
        return ops.cast(ops.arange(batch_size), "float32"), ops.cast(batch_size, "float32")
    numbers = ops.cumsum(ops.cast(counted, "float32"))
    return numbers - 1.0, numbers[-1]


def discretize_times(t, timesteps: int):
    """Rounds times up to the grid of a discrete-time model: `(floor(t T) + 1) / T`.

    Args:
        t: float tensor in `[0, 1]`.
        timesteps: int, `T`.

    Example:

    >>> np.asarray(discretize_times(np.array([0.0, 0.3, 1.0], "float32"), timesteps=4)).tolist()
    [0.25, 0.5, 1.0]
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

    Example:

    >>> x, uniforms = np.array([[5, 6, 7]]), np.array([[0.1, 0.9, 0.2]], "float32")
    >>> np.asarray(mask_tokens(x, 0.5, uniforms, mask_token=10)).tolist()
    [[5, 10, 7]]
    """
    x, alpha_t, uniforms = map(ops.convert_to_tensor, (x, alpha_t, uniforms))
    return ops.where(uniforms < alpha_t, x, ops.full_like(x, mask_token))


def mask_by_rank(x, fraction, uniforms, mask_token: int, unscored=None):
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
        unscored: bool tensor like `x`, positions that are never masked and do not count among the
            `N`; `None` for none.

    Returns:
        `zt` (like `x`), the mask probability `m` (or the `n`-th time) `[B]`, and `n` as float32
        `[B]`. (Of a row with `N = 0` nothing is masked, and `m` is 0.)

    Example:

    >>> x, uniforms = np.array([[5, 6, 7, 8]]), np.array([[0.9, 0.125, 0.5, 0.25]], "float32")
    >>> zt, probability, count = mask_by_rank(x, np.array([0.25], "float32"), uniforms, 10)
    >>> np.asarray(zt).tolist(), float(probability[0]), float(count[0])  # the two smallest
    ([[5, 10, 7, 10]], 0.25, 2.0)
    """
    x, uniforms = ops.convert_to_tensor(x), ops.convert_to_tensor(uniforms)
    if unscored is not None:
        uniforms = ops.where(unscored, float("inf"), uniforms)
    ordered = ops.sort(ops.reshape(uniforms, (ops.shape(x)[0], positions(x))), axis=-1)
    count = ops.cast(positions(x, unscored), "float32")
    last = ops.cast(count, "int32") - 1
    if unscored is not None:
        last = ops.maximum(last, 0)
    rank = ops.cast(ops.floor(ops.convert_to_tensor(fraction) * count), "int32")
    rank = ops.clip(rank, 0, last)
    probability = ops.take_along_axis(ordered, ops.expand_dims(rank, -1), axis=-1)[:, 0]  # [B]
    if unscored is not None:
        probability = ops.where(count > 0.0, probability, 0.0)
    masked = uniforms <= expand_like(probability, x)  # [B, *data_shape]
    zt = ops.where(masked, ops.full_like(x, mask_token), x)
    return zt, probability, ops.cast(rank + 1, "float32")


def expand_like(values, x):
    """Reshapes `[B]` (or a scalar) so that it broadcasts against `x` `[B, ...]`.

    Values of the shape of `x` stay as they are.
    """
    values = ops.convert_to_tensor(values)
    if len(values.shape) in (0, len(x.shape)):
        return values
    return ops.reshape(values, (-1,) + (1,) * (len(x.shape) - 1))


def positions(x, left_out=None, weight=None):
    """Number of positions of one example, the product of `data_shape`.

    With `left_out` (bool, like `x`): the number of the others, float32 `[B]`; with `weight` (float,
    like `x`) the sum of their weights.
    """
    if left_out is not None or weight is not None:
        axes = tuple(range(1, len(x.shape)))
        counted = 1.0 if left_out is None else ops.cast(ops.logical_not(left_out), "float32")
        return ops.sum(counted if weight is None else weight * counted, axis=axes)
    count = 1
    for size in ops.shape(x)[1:]:
        count = count * size
    return count
