"""MDLM's schedule: linear, with a remainder of clean tokens at the end alone."""

import keras
from keras import ops

from md4keras.checks import check_number
from md4keras.schedules.scalar import EPS, Schedule, as_float32

_EARLIEST = 2.0**-24  # before it nothing is masked, so that the weight does not matter


@keras.saving.register_keras_serializable(package="md4keras")
class LogLinear(Schedule):
    """`alpha(t) = 1 - (1 - eps) t`: the noise level `-log alpha` of MDLM ("log-linear").

    Unlike `Linear`, which keeps `eps` at both ends, it masks nothing at time 0, so that there is
    nothing to reconstruct; the weight is `1 / t`.

    Args:
        eps: float in `[0, 0.5)`, the probability of being clean that is left at time 1.

    Example:

    >>> schedule = md4keras.schedules.LogLinear()
    >>> schedule.alpha(0.0), round(schedule.alpha(1.0), 6)
    (1.0, 0.001)

    Reference: Sahoo et al. 2024, *Simple and Effective Masked Diffusion Language Models*
    (arXiv 2406.07524), Section 3 and Appendix E.
    """

    def __init__(self, eps: float = 1e-3):
        self.eps = float(check_number("eps", eps, EPS, "The published value is 1e-3."))

    def alpha(self, t):
        """`1 - (1 - eps) t`; as `Schedule.alpha`."""
        return 1.0 - (1.0 - self.eps) * (t if isinstance(t, int | float) else as_float32(t))

    def dalpha(self, t):
        """`-(1 - eps)`."""
        return -(1.0 - self.eps) * ops.ones_like(as_float32(t))

    def weight(self, t):
        """`1 / t`."""
        return 1.0 / ops.maximum(as_float32(t), _EARLIEST)

    def inverse(self, alpha):
        """The time at which `alpha(t)` has the given value; values out of reach are clipped."""
        return ops.clip((1.0 - as_float32(alpha)) / (1.0 - self.eps), 0.0, 1.0)

    def reveal_probability(self, s, t):
        """Probability that what is masked at `t` is revealed by `s < t`: `1 - s / t`."""
        s, t = as_float32(s), as_float32(t)
        return 1.0 - s / ops.maximum(t, _EARLIEST)
