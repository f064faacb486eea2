"""GenMD4's schedule: one learned exponent for each token value.

Reference: Shi et al. 2024 (arXiv 2406.04329), Section 5.
"""

import math

import keras
from keras import ops

from md4keras.checks import check_number, check_whole
from md4keras.schedules.scalar import EPS, POSITIVE, as_float32


@keras.saving.register_keras_serializable(package="md4keras")
class LearnablePolynomial(keras.layers.Layer):
    """GenMD4's schedule, one learned exponent per token value (Section 5).

    `alpha_v(t) = 1 - (1 - eps) t**w_v` with `w = softplus(theta)`, `theta` trainable, `[V]`.
    Times of shape `[...]` give values of shape `[..., V]`.

    Args:
        vocabulary_size: int, `V`.
        power_init: positive, finite float, every exponent at the start.
        eps: float in `[0, 0.5)`, the probability of being clean that is left at time 1.

    Example:

    >>> schedule = md4keras.schedules.LearnablePolynomial(3, power_init=2.0)
    >>> print(keras.ops.convert_to_numpy(schedule.alpha(0.5)).round(2))  # 1 - t**2, of each value
    [0.75 0.75 0.75]
    """

    per_token = True

    def __init__(
        self,
        vocabulary_size: int,
        power_init: float = 1.0,
        eps: float = 1e-4,
        name: str = "schedule",
        **kwargs,
    ):
        super().__init__(name=name, autocast=False, **kwargs)
        mend = "The published values are power_init=1.0 and eps=1e-4."
        self.vocabulary_size = int(check_whole("vocabulary_size", vocabulary_size))
        self.power_init = float(check_number("power_init", power_init, POSITIVE, mend))
        self.eps = float(check_number("eps", eps, EPS, mend))
        self.theta = self.add_weight(
            name="theta",
            shape=(self.vocabulary_size,),
            initializer=keras.initializers.Constant(_inverse_softplus(self.power_init)),
            dtype="float32",
        )
        self.built = True

    @property
    def power(self):
        """The exponents `w`, `[V]`, positive."""
        return ops.softplus(ops.convert_to_tensor(self.theta))

    def alpha(self, t):
        """Probability that token value `v` is clean at time `t`, `[..., V]`."""
        return 1.0 - (1.0 - self.eps) * self._powers(t)

    def dalpha(self, t):
        """Derivative of `alpha` in `t`, `[..., V]`."""
        t = ops.expand_dims(as_float32(t), -1)
        return -(1.0 - self.eps) * self.power * ops.power(t, self.power - 1.0)

    def weight(self, t):
        """`-alpha'/(1 - alpha) = w / t`, `[..., V]`."""
        return self.power / ops.expand_dims(as_float32(t), -1)

    def log_snr(self, t):
        """`log(alpha / (1 - alpha))`, `[..., V]`."""
        masked = (1.0 - self.eps) * self._powers(t)
        return ops.log1p(-masked) - ops.log(masked)

    def inverse(self, alpha):
        """Times at which each token value has the given `alpha`, `[..., V]` to `[..., V]`."""
        masked = ops.clip((1.0 - as_float32(alpha)) / (1.0 - self.eps), 0.0, 1.0)
        return ops.power(masked, 1.0 / self.power)

    def reveal_probability(self, s, t):
        """Probability that what is masked at `t` is revealed by `s < t`, `1 - (s/t)**w_v`."""
        s, t = as_float32(s), as_float32(t)
        return 1.0 - self._powers(s / ops.maximum(t, 1e-30))

    def log_masked(self, t):
        """`log(1 - alpha_v(t)) = log(1 - eps) + w_v log t`, `[..., V]`; precise at small times."""
        return math.log1p(-self.eps) + self.power * ops.log(ops.expand_dims(as_float32(t), -1))

    def masked_fraction(self, t):
        """The expected part of masked positions at time `t`, all token values alike; as `t`."""
        return (1.0 - self.eps) * ops.mean(self._powers(t), axis=-1)

    def time_of_masked_fraction(self, fraction):
        """The time at which `masked_fraction` has this value, by bisection; as `fraction`."""
        fraction = as_float32(fraction)
        low, high = ops.zeros_like(fraction), ops.ones_like(fraction)
        for _ in range(24):  # to the resolution of float32
            middle = 0.5 * (low + high)
            later = self.masked_fraction(middle) < fraction
            low, high = ops.where(later, middle, low), ops.where(later, high, middle)
        return high

    def token_power(self, x):
        """The exponent of each token, `w_x`: int `x` of any shape to float32 of that shape."""
        return ops.take(self.power, x)

    def token_log_masked(self, x, t):
        """`log(1 - alpha_x(t)) = log(1 - eps) + w_x log t`, for tokens rather than all values.

        Args:
            x: int tensor of any shape.
            t: float tensor in `(0, 1]` that broadcasts against `x`.

        Returns:
            float32 tensor of the shape of `x`; `alpha_x(t)` is `-expm1` of it.
        """
        return math.log1p(-self.eps) + self.token_power(x) * ops.log(as_float32(t))

    def token_times(self, x, uniforms):
        """Draws the time at which each token becomes masked: the `t` where `alpha_x(t) = 1 - u`.

        Args:
            x: int tensor of any shape.
            uniforms: float tensor of the same shape, uniform in `[0, 1)`.

        Returns:
            float32 tensor of the same shape; above 1 for a token that is never masked.
        """
        return ops.power(as_float32(uniforms) / (1.0 - self.eps), 1.0 / self.token_power(x))

    def _powers(self, t):
        return ops.power(ops.expand_dims(as_float32(t), -1), self.power)  # [..., V]

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "power_init": self.power_init,
            "eps": self.eps,
        }


def _inverse_softplus(power: float) -> float:
    """`log(expm1(power))`, in a form that does not overflow."""
    return power + math.log(-math.expm1(-power))
