"""Terms of the MD4 objective, one value per example, in nats.

Reference: Shi et al. 2024 (arXiv 2406.04329), Eq. 5 (discrete time), Eq. 6 (continuous time).
"""

import math

from keras import ops

from md4keras.forward_process import positions


def masked_cross_entropy(logits, x, zt, mask_token: int):
    """`-sum log mu_x(zt)` over the masked positions.

    Args:
        logits: float tensor `[B, *data_shape, V]`.
        x: int tensor `[B, *data_shape]`, the clean tokens.
        zt: int tensor `[B, *data_shape]`.
        mask_token: int.

    Returns:
        float32 tensor `[B]`, nats.
    """
    logits = ops.cast(logits, "float32")
    picked = ops.take_along_axis(logits, ops.expand_dims(x, -1), axis=-1)[..., 0]
    cross_entropy = ops.logsumexp(logits, axis=-1) - picked  # [B, *data_shape]
    masked = ops.cast(ops.equal(zt, mask_token), "float32")
    return ops.sum(masked * cross_entropy, axis=tuple(range(1, len(x.shape))))


def diffusion_weight(t, schedule, timesteps: int | None = None):
    """Weight of the masked cross-entropy at time `t`, the shape of `t`.

    Continuous time: `-alpha'(t) / (1 - alpha(t))`. Discrete time with `T` steps, `t` on the grid
    and `s = t - 1/T`: `T (alpha(s) - alpha(t)) / (1 - alpha(t))`.
    """
    if timesteps is None:
        return schedule.weight(t)
    alpha_t, alpha_s = schedule.alpha(t), schedule.alpha(t - 1.0 / timesteps)
    return timesteps * (alpha_s - alpha_t) / (1.0 - alpha_t)


def diffusion_loss(logits, x, zt, t, schedule, timesteps: int | None = None):
    """The diffusion term of the negative ELBO at one time.

    Args:
        logits: float tensor `[B, *data_shape, V]`; the mask token is `V`.
        x: int tensor `[B, *data_shape]`, the clean tokens.
        zt: int tensor `[B, *data_shape]`, masked at time `t`.
        t: float tensor `[B]` (or scalar); for discrete time, on the grid.
        schedule: a scalar `Schedule`.
        timesteps: int for discrete time, `None` for continuous time.

    Returns:
        float32 tensor `[B]`, nats.
    """
    mask_token = logits.shape[-1]
    return diffusion_weight(t, schedule, timesteps) * masked_cross_entropy(
        logits, x, zt, mask_token
    )


def ranked_diffusion_loss(logits, x, zt, mask_probability, num_masked, schedule, given=None):
    """The continuous-time diffusion term for an exact number of masks.

    `N/n` times the masked cross-entropy; zero where the mask probability falls outside the
    schedule's range `[1 - alpha(0), 1 - alpha(1)]`. See `forward_process.mask_by_rank`.

    Args:
        logits, x, zt: as in `diffusion_loss`.
        mask_probability: float tensor `[B]`.
        num_masked: float tensor `[B]`, `n`.
        schedule: a scalar `Schedule`.
        given: bool tensor like `x` or `None`, positions that do not count among the `N`.

    Returns:
        float32 tensor `[B]`, nats.
    """
    cross_entropy = masked_cross_entropy(logits, x, zt, logits.shape[-1])
    lowest, highest = 1.0 - schedule.alpha(0.0), 1.0 - schedule.alpha(1.0)
    inside = (mask_probability >= lowest) & (mask_probability <= highest)
    weight = ops.cast(positions(x, given), "float32") / num_masked
    return ops.where(inside, weight * cross_entropy, ops.zeros_like(cross_entropy))


def reconstruction_loss(x, vocabulary_size: int, schedule, given=None):
    """The reconstruction term, `N (1 - alpha(0)) ln V`: what is masked at time 0 is a guess.

    `N` is the number of positions that are not `given` (bool tensor like `x`).

    Returns:
        float32 tensor `[B]`, nats.
    """
    nats = (1.0 - schedule.alpha(0.0)) * math.log(vocabulary_size)
    count = ops.cast(positions(x, given), "float32")
    return nats * count * ops.ones((ops.shape(x)[0],), dtype="float32")
