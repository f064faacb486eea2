"""Schedules that are one function `alpha(t)` for all tokens."""

import math

import keras
from keras import ops

from md4keras.checks import Interval, check_number

EPS, POSITIVE = Interval(0, 0.5, with_high=False), Interval(with_low=False)


class Schedule:
    """A scalar schedule: `alpha(t) = (1 - 2 eps) a(t) + eps` with `a(0) = 1` and `a(1) = 0`.

    A subclass gives `clean_fraction` (`a`), its derivative and its inverse.

    Args:
        eps: float in `[0, 0.5)`. `alpha` is squeezed into `[eps, 1 - eps]`, which keeps the loss
            weight finite at time 0.

    Example:

    >>> schedule = md4keras.schedules.Linear()
    >>> round(float(schedule.alpha(0.25)), 2)  # three quarters of the tokens are clean
    0.75
    >>> round(float(schedule.weight(0.25)), 2)  # of the cross-entropy: 1 / t
    4.0
    >>> round(float(schedule.reveal_probability(0.25, 0.5)), 2)  # half of what is masked at 0.5
    0.5
    >>> round(float(schedule.time_of_masked_fraction(0.25)), 2)
    0.25
    """

    per_token = False  # whether values have a last axis, one for each token value

    def __init__(self, eps: float = 1e-4):
        mend = "Use the published 1e-4 unless you have a reason."
        self.eps = float(check_number("eps", eps, EPS, mend))

    def clean_fraction(self, t):
        """`a(t)`, before the squeeze by `eps`."""
        raise NotImplementedError

    def clean_fraction_derivative(self, t):
        """`a'(t)`."""
        raise NotImplementedError

    def clean_fraction_inverse(self, a):
        """The `t` at which `a(t)` has the given value."""
        raise NotImplementedError

    def alpha(self, t):
        """Probability that a token is clean at time `t`; float32, the shape of `t`.

        Numbers stay in Python's precision where the formula allows, so that the tiny
        `1 - alpha(0)` of the reconstruction term is not lost in rounding.
        """
        return (1.0 - 2.0 * self.eps) * self.clean_fraction(_times(t)) + self.eps

    def dalpha(self, t):
        """Derivative of `alpha` in `t`, never positive."""
        return (1.0 - 2.0 * self.eps) * self.clean_fraction_derivative(as_float32(t))

    def weight(self, t):
        """Weight of the cross-entropy at time `t`: `-alpha'(t) / (1 - alpha(t))` (Eq. 6)."""
        return -self.dalpha(t) / (1.0 - self.alpha(t))

    def log_snr(self, t):
        """Log signal-to-noise ratio, `log(alpha / (1 - alpha))`."""
        alpha_t = self.alpha(t)
        return ops.log(alpha_t / (1.0 - alpha_t))

    def inverse(self, alpha):
        """The time at which `alpha(t)` has the given value; values out of reach are clipped."""
        a = (as_float32(alpha) - self.eps) / (1.0 - 2.0 * self.eps)
        return self.clean_fraction_inverse(ops.clip(a, 0.0, 1.0))

    def reveal_probability(self, s, t):
        """Probability that what is masked at `t` is revealed by `s < t`, the shape of `t`."""
        alpha_t = self.alpha(t)
        return (self.alpha(s) - alpha_t) / (1.0 - alpha_t)

    def masked_fraction(self, t):
        """The expected part of all positions that is masked at time `t`."""
        return 1.0 - self.alpha(t)

    def time_of_masked_fraction(self, fraction):
        """The time at which the schedule expects this part of all positions to be masked."""
        return self.inverse(1.0 - as_float32(fraction))

    def get_config(self) -> dict:
        return {"eps": self.eps}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)


@keras.saving.register_keras_serializable(package="md4keras")
class Linear(Schedule):
    """`a(t) = 1 - t`: the schedule of the best likelihoods in the paper.

    Example:

    >>> round(float(md4keras.schedules.Linear().masked_fraction(0.3)), 3)
    0.3
    """

    def clean_fraction(self, t):
        return 1.0 - t

    def clean_fraction_derivative(self, t):
        return -ops.ones_like(t)

    def clean_fraction_inverse(self, a):
        return 1.0 - a


@keras.saving.register_keras_serializable(package="md4keras")
class Cosine(Schedule):
    """`a(t) = 1 - cos(pi/2 (1 - t))`: the schedule of the best image samples in the paper.

    Example:

    >>> round(float(md4keras.schedules.Cosine().masked_fraction(0.5)), 3)  # sqrt(1/2)
    0.707
    """

    def clean_fraction(self, t):
        return 1.0 - ops.cos(0.5 * math.pi * (1.0 - t))

    def clean_fraction_derivative(self, t):
        return -0.5 * math.pi * ops.sin(0.5 * math.pi * (1.0 - t))

    def clean_fraction_inverse(self, a):
        return 1.0 - (2.0 / math.pi) * ops.arccos(1.0 - a)


@keras.saving.register_keras_serializable(package="md4keras")
class Polynomial(Schedule):
    """`a(t) = 1 - t**exponent`.

    Args:
        exponent: positive float. 1 is the linear schedule; below 1, `alpha'(0)` is infinite.
        eps: see `Schedule`.

    Example:

    >>> round(float(md4keras.schedules.Polynomial(2.0).masked_fraction(0.5)), 3)
    0.25
    """

    def __init__(self, exponent: float = 2.0, eps: float = 1e-4):
        super().__init__(eps)
        mend = "1 is the linear schedule, 2 masks later."
        self.exponent = float(check_number("exponent", exponent, POSITIVE, mend))

    def clean_fraction(self, t):
        return 1.0 - t**self.exponent

    def clean_fraction_derivative(self, t):
        return -self.exponent * ops.power(t, self.exponent - 1.0)

    def clean_fraction_inverse(self, a):
        return ops.power(1.0 - a, 1.0 / self.exponent)

    def get_config(self) -> dict:
        return {"exponent": self.exponent, **super().get_config()}


def _times(t):
    return float(t) if isinstance(t, int | float) else as_float32(t)  # NumPy's floats too


def as_float32(value):
    """The value as a float32 tensor, whatever the dtype policy."""
    return ops.convert_to_tensor(value, dtype="float32")
