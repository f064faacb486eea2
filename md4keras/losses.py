"""Terms of the MD4 and GenMD4 objectives, one value per example, in nats.

Reference: Shi et al. 2024 (arXiv 2406.04329), Eq. 5 (discrete time), Eq. 6 (continuous time),
Section 5 (GenMD4, whose functions here begin with `genmd4`).
"""

import math

from keras import ops

from md4keras.forward_process import expand_like, positions

__all__ = [
    "cross_entropy",
    "diffusion_weight",
    "genmd4_cost",
    "genmd4_log_masking",
    "genmd4_reconstruction_loss",
    "genmd4_step_divergence",
    "leave_one_out",
    "masked_cross_entropy",
    "reconstruction_loss",
]


def cross_entropy(logits, x):
    """`-log mu_x` at each position: logits `[B, *data_shape, V]` to float32 `[B, *data_shape]`.

    Example:

    >>> logits = np.log([[0.5, 0.25, 0.25]])
    >>> print(np.asarray(cross_entropy(logits, np.array([1]))).round(4))  # ln 4
    [1.3863]
    """
    logits = ops.cast(logits, "float32")
    picked = ops.take_along_axis(logits, ops.expand_dims(x, -1), axis=-1)[..., 0]
    return ops.logsumexp(logits, axis=-1) - picked


def masked_cross_entropy(logits, x, zt, mask_token: int, weight=None):
    """`-sum log mu_x(zt)` over the masked positions, each times its weight if there are any.

    Args:
        logits: float tensor `[B, *data_shape, V]`.
        x: int tensor `[B, *data_shape]`, the clean tokens.
        zt: int tensor `[B, *data_shape]`.
        mask_token: int.
        weight: float32 tensor like `x`, or `None`.

    Returns:
        float32 tensor `[B]`, nats.

    Example:

    >>> x, zt, logits = np.array([[0, 1]]), np.array([[0, 2]]), np.zeros((1, 2, 2))
    >>> print(np.asarray(masked_cross_entropy(logits, x, zt, mask_token=2)).round(4))  # ln 2
    [0.6931]
    """
    return sum_positions(position_cross_entropy(logits, x, zt, mask_token), weight)


def position_cross_entropy(logits, x, zt, mask_token: int):
    """What each position adds to `masked_cross_entropy`, float32 `[B, *data_shape]`, nats."""
    return ops.cast(ops.equal(zt, mask_token), "float32") * cross_entropy(logits, x)


def diffusion_weight(t, schedule, timesteps: int | None = None):
    """Weight of the masked cross-entropy at time `t`, the shape of `t`.

    Continuous time: `-alpha'(t) / (1 - alpha(t))`. Discrete time with `T` steps, `t` on the grid
    and `s = t - 1/T`: `T (alpha(s) - alpha(t)) / (1 - alpha(t))`.

    Example:

    >>> linear = md4keras.schedules.Linear()
    >>> round(float(diffusion_weight(0.5, linear)), 2)  # 1 / t
    2.0
    >>> round(float(diffusion_weight(0.5, linear, timesteps=4)), 2)
    2.0
    """
    if timesteps is None:
        return schedule.weight(t)
    alpha_t, alpha_s = schedule.alpha(t), schedule.alpha(t - 1.0 / timesteps)
    return timesteps * (alpha_s - alpha_t) / (1.0 - alpha_t)


def ranked_weight(x, mask_probability, num_masked, schedule, unscored=None):
    """Weight of the masked cross-entropy, in continuous time, for an exact number of masks.

    `N/n`; zero where the mask probability falls outside the schedule's range
    `[1 - alpha(0), 1 - alpha(1)]`. See `forward_process.mask_by_rank`.

    Args:
        x: int tensor `[B, *data_shape]`.
        mask_probability: float tensor `[B]`.
        num_masked: float tensor `[B]`, `n`.
        schedule: a scalar `Schedule`.
        unscored: bool tensor like `x` or `None`, positions that do not count among the `N`.

    Returns:
        float32 tensor `[B]`.
    """
    lowest, highest = 1.0 - schedule.alpha(0.0), 1.0 - schedule.alpha(1.0)
    inside = (mask_probability >= lowest) & (mask_probability <= highest)
    weight = ops.cast(positions(x, unscored), "float32") / num_masked
    return ops.where(inside, weight, ops.zeros_like(weight))


def reconstruction_loss(x, vocabulary_size: int, schedule, unscored=None, weight=None):
    """The reconstruction term, `N (1 - alpha(0)) ln V`: what is masked at time 0 is a guess.

    `N` is the number of positions that are not `unscored` (bool tensor like `x`), or the sum of
    their weights (`weight`, float32 tensor like `x`).

    Returns:
        float32 tensor `[B]`, nats.

    Example:

    >>> nats = reconstruction_loss(np.zeros((1, 10)), 27, md4keras.schedules.Linear(eps=1e-4))
    >>> print(np.asarray(nats).round(5))  # 10 * 1e-4 * ln 27
    [0.0033]
    """
    nats = (1.0 - schedule.alpha(0.0)) * math.log(vocabulary_size)
    count = ops.cast(positions(x, unscored, weight), "float32")
    return nats * count * ops.ones((ops.shape(x)[0],), dtype="float32")


def genmd4_cost(logits, x, zt, schedule, weight=None):
    """`sum of [w_x (CE - 1) + sum_v w_v mu_v]` over the masked positions (Section 5).

    With all exponents `w` equal it is `w` times the masked cross-entropy.

    Args:
        logits: float tensor `[B, *data_shape, V]`; the mask token is `V`.
        x: int tensor `[B, *data_shape]`, the clean tokens.
        zt: int tensor `[B, *data_shape]`.
        schedule: a `LearnablePolynomial`; gradients reach its exponents.
        weight: float32 tensor like `x`, of each position's cost, or `None`.

    Returns:
        float32 tensor `[B]`, nats.

    Example:

    >>> schedule = md4keras.schedules.LearnablePolynomial(2)  # all exponents 1
    >>> x, zt, logits = np.array([[0, 1]]), np.array([[0, 2]]), np.zeros((1, 2, 2), "float32")
    >>> nats = genmd4_cost(logits, x, zt, schedule)
    >>> print(keras.ops.convert_to_numpy(nats).round(4))  # the cross-entropy, ln 2
    [0.6931]
    """
    return sum_positions(genmd4_position_cost(logits, x, zt, schedule), weight)


def genmd4_position_cost(logits, x, zt, schedule):
    """What each position adds to `genmd4_cost`, float32 `[B, *data_shape]`, nats."""
    logits = ops.cast(logits, "float32")
    mean_power = ops.matmul(ops.softmax(logits, axis=-1), schedule.power)  # [B, *data_shape]
    cost = schedule.token_power(x) * (cross_entropy(logits, x) - 1.0) + mean_power
    return ops.cast(ops.equal(zt, logits.shape[-1]), "float32") * cost


def genmd4_step_divergence(logits, x, s, t, schedule):
    """The divergence of the model's reverse step from the exact posterior, at masked positions.

    `r_x (-log mu_x) + (1 - r_x) (log(1 - r_x) - log sum_v (1 - r_v) mu_v)`, where `r_v` is the
    probability that what is masked at `t` is revealed by `s`.

    Args:
        logits: float tensor `[B, *data_shape, V]`.
        x: int tensor `[B, *data_shape]`, the clean tokens.
        s, t: float tensors `[B]`, `0 < s < t`.
        schedule: a `LearnablePolynomial`.

    Returns:
        float32 tensor `[B, *data_shape]`, nats.

    Example:

    >>> schedule, half = md4keras.schedules.LearnablePolynomial(2), np.array([0.5], "float32")
    >>> logits = np.zeros((1, 1, 2), "float32")
    >>> nats = genmd4_step_divergence(logits, np.array([[0]]), half / 2, half, schedule)
    >>> print(keras.ops.convert_to_numpy(nats).round(4))  # revealed with probability 1/2: ln 2 / 2
    [[0.3466]]
    """
    log_ratio = ops.log(expand_like(s, x)) - ops.log(expand_like(t, x))
    log_stay = schedule.token_power(x) * log_ratio  # log(1 - r_x)
    log_mu = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    expected = ops.logsumexp(log_mu + schedule.power * ops.expand_dims(log_ratio, -1), axis=-1)
    stay = ops.exp(log_stay)
    return -ops.expm1(log_stay) * cross_entropy(logits, x) + stay * (log_stay - expected)


def genmd4_ranked_weight(x, zt, t, schedule, t1: float, unscored=None):
    """Weight of `genmd4_cost`, integrated over `[t1, 1]`, for an exact number of masks.

    Token `i` becomes masked at a random time of density `w_i (1 - alpha_i(t)) / t`, so the
    integral of `1/t` times a sum of costs `f_i` over the masked positions is the expectation of
    `sum_i f_i / w_i`, each term at its own position's time. Of the `N` terms take the `n`-th in
    time, `n` uniform. Given that time `t` and the set of the `n` masked positions, each is the
    last with probability proportional to its `w_i`; the mean over which one it is leaves
    `N / (sum of w over the masked) * genmd4_cost`. The integral has its length `1 - t1` by itself.

    Args:
        x, zt, schedule: as in `genmd4_cost`.
        t: float tensor `[B]`, the `n`-th smallest of `schedule.token_times`.
        t1: float, the end of the integral; outside `[t1, 1]` the weight is zero.
        unscored: bool tensor like `x` or `None`, positions that do not count among the `N`.

    Returns:
        float32 tensor `[B]`.
    """
    masked = ops.cast(ops.equal(zt, schedule.power.shape[0]), "float32")
    power = sum_positions(masked * schedule.token_power(x))
    weight = ops.cast(positions(x, unscored), "float32") / power
    return ops.where((t >= t1) & (t <= 1.0), weight, ops.zeros_like(weight))


def genmd4_reconstruction_loss(x, schedule, t1: float, unscored=None, weight=None):
    """The reconstruction term: a token masked at `t1` is guessed with `p_v ~ t1**w_v`.

    `sum over positions of -(1 - alpha_x(t1)) log p_x`; gradients reach the exponents.

    Args:
        x: int tensor `[B, *data_shape]`.
        schedule: a `LearnablePolynomial`.
        t1: float in `(0, 1)`.
        unscored: bool tensor like `x` or `None`, positions that are left out.
        weight: float32 tensor like `x`, of each position's term, or `None`.

    Returns:
        float32 tensor `[B]`, nats.

    Example:

    >>> schedule = md4keras.schedules.LearnablePolynomial(2)
    >>> nats = genmd4_reconstruction_loss(np.zeros((1, 10), "int32"), schedule, t1=1e-3)
    >>> print(keras.ops.convert_to_numpy(nats).round(5))  # 10 * 1e-3 * ln 2
    [0.00693]
    """
    log_t1 = math.log(t1)
    log_p = schedule.token_power(x) * log_t1 - ops.logsumexp(schedule.power * log_t1)
    nats = -ops.exp(schedule.token_log_masked(x, t1)) * log_p
    return sum_positions(nats if unscored is None else ops.where(unscored, 0.0, nats), weight)


def genmd4_log_masking(x, zt, t, schedule, unscored=None):
    """`log q(zt | x)`, the log-probability of a masking; gradients reach the exponents.

    The sum of `log(1 - alpha_x(t))` over the masked positions and `log alpha_x(t)` over the
    others.

    Args:
        x, zt: int tensors `[B, *data_shape]`.
        t: float tensor `[B]` (or scalar) in `(0, 1]`.
        schedule: a `LearnablePolynomial`.
        unscored: bool tensor like `x` or `None`, positions that are never masked and left out.

    Returns:
        float32 tensor `[B]`, nats.

    Example:

    >>> schedule = md4keras.schedules.LearnablePolynomial(2)
    >>> log_q = genmd4_log_masking(np.array([[0, 1]]), np.array([[0, 2]]), 0.5, schedule)
    >>> print(keras.ops.convert_to_numpy(log_q).round(3))  # 2 ln 0.5
    [-1.386]
    """
    log_masked = schedule.token_log_masked(x, expand_like(t, x))
    masked = ops.not_equal(zt, x)
    # alpha can be 0 where all is masked; a logarithm not taken must not spoil the gradient.
    log_clean = ops.log(-ops.expm1(ops.where(masked, -ops.ones_like(log_masked), log_masked)))
    nats = ops.where(masked, log_masked, log_clean)
    return sum_positions(nats if unscored is None else ops.where(unscored, 0.0, nats))


def leave_one_out(losses, log_probabilities):
    """The surrogate whose gradient is REINFORCE's for two draws, each the other's baseline.

    `0.5 stop_gradient(L1 - L2) (log q1 - log q2)`: its expectation has the gradient that reaches
    the mean loss through the probabilities `q` alone. Reference: Salimans and Knowles 2014;
    Kool et al. 2019 (*Buy 4 REINFORCE Samples, Get a Baseline for Free!*).

    Args:
        losses: pair of float tensors `[B]`, one for each draw.
        log_probabilities: pair of float tensors `[B]`, of the draws.

    Returns:
        float32 tensor `[B]`, nats.

    Example:

    >>> losses, log_q = map(keras.ops.convert_to_tensor, ([[3.0], [1.0]], [[-1.0], [-2.0]]))
    >>> nats = leave_one_out(losses, log_q)
    >>> print(np.asarray(nats))
    [1.]
    """
    advantage = ops.stop_gradient(losses[0] - losses[1])
    return 0.5 * advantage * (log_probabilities[0] - log_probabilities[1])


def product(*weights):
    """The product of weights of which some may be `None`, which is 1; `None` of `None`s."""
    given = [weight for weight in weights if weight is not None]
    return math.prod(given[1:], start=given[0]) if given else None


def of_rows(factor, weight=None):
    """What the positions of a row count, parted in what all of them share and the rest.

    Args:
        factor: float tensor `[B]`, or `[B, *data_shape]`.
        weight: float32 tensor `[B, *data_shape]`, or `None` for 1.

    Returns:
        a factor for `sum_positions` of each row, `[B]` or 1, and the weight of its positions,
        `[B, *data_shape]` or `None`.
    """
    if len(factor.shape) < 2:
        return factor, weight
    return 1.0, factor if weight is None else factor * weight


def sum_positions(values, weight=None):
    """`[B, *data_shape]` to `[B]`, each position times its weight, if there are any."""
    values = values if weight is None else weight * values
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))
