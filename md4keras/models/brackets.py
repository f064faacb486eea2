"""Two bounds round the likelihood of a model that reveals its positions in the order of chance.

The sampler `"first_hitting"` reveals one position a network call, whichever it is with the same
probability. So `p(x) = E[X]`, the mean over all orders of `X`, the product of the conditionals
`mu(x_i | what was revealed before i)`. Of a few draws of the order,

- `log p >= E[log X]`: this is the bound of the objective, as `score` estimates it;
- `log p <= E[X] / c - 1 + log c` for any `c > 0` that does not depend on the draws of the mean:
  the tangent of the logarithm at `c`, tight at `c = p`.

(A discrete-time model, whose own bound is another, has no bracket.)

Where the conditionals agree with one distribution, `X` is the same in all orders, and both bounds
are `log p`. The worse they agree, and the longer `x` is, the more widely `X` is spread; a mean of
few draws then says little about `E[X]`, and the second bound is marked as too wide to mean
anything.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from keras import ops

from md4keras import losses
from md4keras.models.draws import Drawn, Draws

LEAST = 16  # draws, of which half are for the mean
_FEWEST = 7.0  # draws that share the mean
_SHARE = 0.25  # of all draws
_SPREAD = 1.0  # nats, the standard deviation of `log X`
_UNSEEN = 2.0  # draws that may lack, each like the most extreme one
_ROUNDING = 2.0**-22  # of float32 sums


class Bracket(NamedTuple):
    """Bounds on `-log p(x)` from both sides, float64 arrays `[n]`, nats per example.

    Errors of so few draws follow Student's t, of one degree of freedom less than there are draws.

    Attributes:
        upper: the mean of `-log X`.
        upper_error: its standard error, with an allowance for orders that were not drawn.
        lower: `1 - E[X] / c - log c`, or 0 where that is less.
        lower_error: its standard error, with the same allowance.
        wide: bool `[n]`, where the lower bound means nothing: `log X` is spread by more than a
            nat, or few of the draws make up most of the mean.
    """

    upper: np.ndarray
    upper_error: np.ndarray
    lower: np.ndarray
    lower_error: np.ndarray
    wide: np.ndarray


def check_model(model) -> None:
    """Raises a `ValueError` for a model whose order is not that of chance."""
    if model.schedule.per_token:
        raise ValueError(
            "The order in which positions are revealed depends on their tokens. Expected a model "
            f"with one schedule for all tokens (MD4). Received: a {type(model).__name__}. "
            "`score` without `bracket` has its upper bound."
        )
    if model.draws_in_blocks:
        raise ValueError(
            "Blocks come from left to right, not in the order of chance. Expected a model whose "
            f"positions come in any order (MD4). Received: a {type(model).__name__}. `score` "
            "without `bracket` has its upper bound, and with a `sampler` an exact likelihood."
        )
    if getattr(model, "timesteps", None) is not None:
        raise ValueError(
            "A process of discrete steps reveals several positions at once. Expected a model of "
            f"continuous time. Received: timesteps={model.timesteps}. "
            "`score` without `bracket` has its upper bound."
        )


def log_estimate(model, draws: Draws):
    """`log X` of each row, float32 `[B]`, in a network call for each position that is scored.

    Args:
        model: with a scalar schedule.
        draws: rows; each has an order, and times, of its own.
    """
    batch = draws.batch
    shape, flat = ops.shape(batch.x), (ops.shape(batch.x)[0], -1)
    order, times = (ops.reshape(uniforms, flat) for uniforms in draws.uniforms)  # [B, N]
    masks = ops.full_like(batch.x, model.mask_token)
    z = masks if batch.unscored is None else ops.where(batch.unscored, batch.x, masks)

    def reveal_one(call, z, mask_probability, total):
        masked = ops.reshape(ops.equal(z, model.mask_token), flat)
        count = ops.sum(ops.cast(masked, "float32"), axis=-1)  # [B]
        some = ops.maximum(count, 1.0)
        # The largest of so many uniforms, below the one before.
        mask_probability = mask_probability * ops.take(times, call, axis=1) ** (1.0 / some)
        t = model.time_of_masks(batch, mask_probability)
        # The same chance for each masked position, and none for others.
        place = ops.argmax(ops.where(masked, order, -1.0), axis=-1)
        place = ops.expand_dims(ops.cast(place, "int32"), -1)  # [B, 1]
        logits = model.network_logits(z, t, batch.labels, positions=place, **batch.layout)
        x = ops.take_along_axis(ops.reshape(batch.x, flat), place, axis=-1)
        log_mu = -losses.cross_entropy(logits, x)[:, 0]  # [B]
        here = masked & ops.equal(ops.arange(order.shape[-1]), place)
        z = ops.where(ops.reshape(here, shape), batch.x, z)
        total = total + ops.where(count > 0.0, log_mu, 0.0)
        return call + 1, z, mask_probability, total

    ones = ops.ones((shape[0],), dtype="float32")
    start = (ops.zeros((), dtype="int32"), z, ones, ops.zeros_like(ones))

    def some_masked(call, z, *others):
        return ops.any(ops.equal(z, model.mask_token))

    return ops.while_loop(some_masked, reveal_one, start)[3]


def of_draws(drawn: Iterable[Drawn], num_examples: int, num_samples: int) -> Bracket:
    """The bounds, from `log X` of all draws of all examples."""
    logs = np.zeros((num_examples, num_samples))
    for rows in drawn:
        logs[rows.example, rows.draw] = rows.values
    upper = -logs.mean(axis=1)
    unseen = _UNSEEN * (-logs.min(axis=1) - upper) / num_samples
    variance = logs.var(axis=1, ddof=1) / num_samples + unseen**2
    return Bracket(upper, _with_rounding(variance, upper), *_lower(logs))


def _lower(logs):
    """The lower bound on `-log p`, its error, and where it is too wide, from `log X` `[n, draws]`.

    Each half of the draws gives `c` for the other; the mean of the two bounds is one, too. Both
    halves together say how widely `X` is spread, as one of them may lack what is rare.
    """
    count, half = logs.shape[1], logs.shape[1] // 2
    log_mean = _log_sum_exp(logs) - np.log(count)
    ratios = np.exp(logs - log_mean[:, None])  # X over its mean
    first, second = ratios[:, :half].mean(axis=1), ratios[:, half:].mean(axis=1)
    with np.errstate(all="ignore"):  # a half may have next to nothing
        lower = 1.0 - 0.5 * (second / first + first / second + np.log(first * second)) - log_mean
        slopes = [0.5 * (1 / b - b / a**2 + 1 / a) for a, b in ((first, second), (second, first))]
    variance = ratios.var(axis=1, ddof=1)
    variance = variance * (slopes[0] ** 2 / half + slopes[1] ** 2 / (count - half))
    unseen = _UNSEEN * (ratios.max(axis=1) - 1.0) / count
    error = _with_rounding(variance + unseen**2, log_mean)
    effective = np.exp(2 * _log_sum_exp(logs) - _log_sum_exp(2 * logs))  # draws that share the mean
    wide = (effective < max(_FEWEST, _SHARE * count)) | (logs.std(axis=1, ddof=1) > _SPREAD)
    useless = ~np.isfinite(lower + error)
    return np.maximum(np.where(useless, 0.0, lower), 0.0), error, wide | useless


def _with_rounding(variance, nats):
    return np.sqrt(variance + (_ROUNDING * (1.0 + np.abs(nats))) ** 2)


def _log_sum_exp(values):
    highest = values.max(axis=1)
    return highest + np.log(np.exp(values - highest[:, None]).sum(axis=1))
