"""Masking schedules: how the probability of being clean falls from time 0 to time 1.

A schedule is the function `alpha(t)`, the probability that a token is still clean at time `t`.
Everything else (loss weight, log-SNR, inverse, reverse-step probabilities) follows from it.

Reference: Shi et al. 2024, *Simplified and Generalized Masked Diffusion for Discrete Data*
(arXiv 2406.04329), Section 2 and Table 1; Section 5 for the learnable schedule.
"""

import math
import numbers

import keras
from keras import ops


class Schedule:
    """A scalar schedule: `alpha(t) = (1 - 2 eps) a(t) + eps` with `a(0) = 1` and `a(1) = 0`.

    A subclass gives `clean_fraction` (`a`), its derivative and its inverse.

    Args:
        eps: float in `[0, 0.5)`. `alpha` is squeezed into `[eps, 1 - eps]`, which keeps the loss
            weight finite at time 0.
    """

    per_token = False  # whether values have a last axis, one for each token value

    def __init__(self, eps: float = 1e-4):
        if not isinstance(eps, numbers.Real) or not 0.0 <= eps < 0.5:
            raise ValueError(
                "A schedule cannot be squeezed by this `eps`. Expected 0 <= eps < 0.5. "
                f"Received: eps={eps!r}. Use the published 1e-4 unless you have a reason."
            )
        self.eps = float(eps)

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
        return (1.0 - 2.0 * self.eps) * self.clean_fraction_derivative(_float32(t))

    def weight(self, t):
        """Weight of the cross-entropy at time `t`: `-alpha'(t) / (1 - alpha(t))` (Eq. 6)."""
        return -self.dalpha(t) / (1.0 - self.alpha(t))

    def log_snr(self, t):
        """Log signal-to-noise ratio, `log(alpha / (1 - alpha))`."""
        alpha_t = self.alpha(t)
        return ops.log(alpha_t / (1.0 - alpha_t))

    def inverse(self, alpha):
        """The time at which `alpha(t)` has the given value; values out of reach are clipped."""
        a = (_float32(alpha) - self.eps) / (1.0 - 2.0 * self.eps)
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
        return self.inverse(1.0 - _float32(fraction))

    def get_config(self) -> dict:
        return {"eps": self.eps}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)


@keras.saving.register_keras_serializable(package="md4keras")
class Linear(Schedule):
    """`a(t) = 1 - t`: the schedule of the best likelihoods in the paper."""

    def clean_fraction(self, t):
        return 1.0 - t

    def clean_fraction_derivative(self, t):
        return -ops.ones_like(t)

    def clean_fraction_inverse(self, a):
        return 1.0 - a


@keras.saving.register_keras_serializable(package="md4keras")
class Cosine(Schedule):
    """`a(t) = 1 - cos(pi/2 (1 - t))`: the schedule of the best image samples in the paper."""

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
    """

    def __init__(self, exponent: float = 2.0, eps: float = 1e-4):
        super().__init__(eps)
        if not isinstance(exponent, numbers.Real) or not 0.0 < exponent < math.inf:
            raise ValueError(
                "A polynomial schedule needs a positive, finite exponent. "
                f"Received: exponent={exponent!r}. 1 is the linear schedule, 2 masks later."
            )
        self.exponent = float(exponent)

    def clean_fraction(self, t):
        return 1.0 - t**self.exponent

    def clean_fraction_derivative(self, t):
        return -self.exponent * ops.power(t, self.exponent - 1.0)

    def clean_fraction_inverse(self, a):
        return ops.power(1.0 - a, 1.0 / self.exponent)

    def get_config(self) -> dict:
        return {"exponent": self.exponent, **super().get_config()}


@keras.saving.register_keras_serializable(package="md4keras")
class LearnablePolynomial(keras.layers.Layer):
    """GenMD4's schedule, one learned exponent per token value (Section 5).

    `alpha_v(t) = 1 - (1 - eps) t**w_v` with `w = softplus(theta)`, `theta` trainable, `[V]`.
    Times of shape `[...]` give values of shape `[..., V]`.

    Args:
        vocabulary_size: int, `V`.
        power_init: positive, finite float, every exponent at the start.
        eps: float in `[0, 0.5)`, the probability of being clean that is left at time 1.
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
        numeric = isinstance(vocabulary_size, numbers.Integral) and all(
            isinstance(value, numbers.Real) for value in (power_init, eps)
        )
        in_range = numeric and vocabulary_size >= 1 and 0.0 < power_init < math.inf
        if not in_range or not 0.0 <= eps < 0.5:
            raise ValueError(
                "A learnable schedule needs token values, a positive exponent and a small `eps`. "
                "Expected vocabulary_size >= 1, finite power_init > 0 and 0 <= eps < 0.5. "
                f"Received: vocabulary_size={vocabulary_size!r}, power_init={power_init!r}, "
                f"eps={eps!r}. "
                "The published values are power_init=1.0 and eps=1e-4."
            )
        self.vocabulary_size = int(vocabulary_size)
        self.power_init = float(power_init)
        self.eps = float(eps)
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
        t = ops.expand_dims(_float32(t), -1)
        return -(1.0 - self.eps) * self.power * ops.power(t, self.power - 1.0)

    def weight(self, t):
        """`-alpha'/(1 - alpha) = w / t`, `[..., V]`."""
        return self.power / ops.expand_dims(_float32(t), -1)

    def log_snr(self, t):
        """`log(alpha / (1 - alpha))`, `[..., V]`."""
        masked = (1.0 - self.eps) * self._powers(t)
        return ops.log1p(-masked) - ops.log(masked)

    def inverse(self, alpha):
        """Times at which each token value has the given `alpha`, `[..., V]` to `[..., V]`."""
        masked = ops.clip((1.0 - _float32(alpha)) / (1.0 - self.eps), 0.0, 1.0)
        return ops.power(masked, 1.0 / self.power)

    def reveal_probability(self, s, t):
        """Probability that what is masked at `t` is revealed by `s < t`, `1 - (s/t)**w_v`."""
        s, t = _float32(s), _float32(t)
        return 1.0 - self._powers(s / ops.maximum(t, 1e-30))

    def masked_fraction(self, t):
        """The expected part of masked positions at time `t`, all token values alike; as `t`."""
        return ops.mean(1.0 - self.alpha(t), axis=-1)

    def time_of_masked_fraction(self, fraction):
        """The time at which `masked_fraction` has this value, by bisection; as `fraction`."""
        fraction = _float32(fraction)
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
        return math.log1p(-self.eps) + self.token_power(x) * ops.log(_float32(t))

    def token_times(self, x, uniforms):
        """Draws the time at which each token becomes masked: the `t` where `alpha_x(t) = 1 - u`.

        Args:
            x: int tensor of any shape.
            uniforms: float tensor of the same shape, uniform in `[0, 1)`.

        Returns:
            float32 tensor of the same shape; above 1 for a token that is never masked.
        """
        return ops.power(_float32(uniforms) / (1.0 - self.eps), 1.0 / self.token_power(x))

    def _powers(self, t):
        return ops.power(ops.expand_dims(_float32(t), -1), self.power)  # [..., V]

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "power_init": self.power_init,
            "eps": self.eps,
        }


_SCHEDULES = {"linear": Linear, "cosine": Cosine, "polynomial": Polynomial}


class Started:
    """A schedule as a reverse process sees it that starts at some time with all its masks.

    `1 - alpha` is divided by its value at the start: there, all that is to be drawn is masked.

    Args:
        schedule: a schedule.
        start_time: float tensor `[B]`.
    """

    def __init__(self, schedule, start_time):
        self.schedule, self.start_time = schedule, start_time
        self.per_token = schedule.per_token

    def alpha(self, t):
        """Probability that a position to be drawn is clean at `t`."""
        return 1.0 - (1.0 - self.schedule.alpha(t)) / (1.0 - self.schedule.alpha(self.start_time))

    def masked_fraction(self, t):
        """The expected part, of the positions to be drawn, that is masked at `t`."""
        start = self.schedule.masked_fraction(self.start_time)
        return self.schedule.masked_fraction(t) / start

    def reveal_probability(self, s, t):
        """As the schedule's: the start cancels."""
        return self.schedule.reveal_probability(s, t)


def get(schedule) -> Schedule:
    """Returns a schedule from an object, a name, or a serialised configuration.

    Args:
        schedule: a schedule; or `"linear"`, `"cosine"`, `"polynomial"` (exponent 2),
            `"poly<exponent>"` such as `"poly0.5"`; or what `keras.saving` made of one.

    Raises:
        ValueError: for an unknown name, listing the known ones, or anything that is no schedule.
    """
    if isinstance(schedule, dict):
        found = _deserialized(schedule)
        if _is_schedule(found):
            return found
    elif not isinstance(schedule, str):
        if _is_schedule(schedule):
            return schedule
    elif schedule in _SCHEDULES:
        return _SCHEDULES[schedule]()
    elif schedule.startswith("poly"):
        try:
            return Polynomial(float(schedule.removeprefix("poly")))
        except ValueError:
            pass
    known = ", ".join(repr(name) for name in _SCHEDULES)
    raise ValueError(
        f"Unknown schedule. Expected one of {known}, 'poly<exponent>' with a positive exponent "
        f"(such as 'poly0.5'), or a schedule object. Received: schedule={schedule!r}"
    )


def _inverse_softplus(power: float) -> float:
    """`log(expm1(power))`, in a form that does not overflow."""
    return power + math.log(-math.expm1(-power))


def _deserialized(config: dict):
    """What `keras.saving` made the configuration of; `None` if nothing can be made of it."""
    try:
        return keras.saving.deserialize_keras_object(config)
    except (AttributeError, ImportError, KeyError, TypeError):
        return None


def _is_schedule(value) -> bool:
    names = ("alpha", "dalpha", "weight", "inverse", "reveal_probability", "masked_fraction")
    is_object = not isinstance(value, type)
    return is_object and all(callable(getattr(value, name, None)) for name in names)


def _times(t):
    return t if isinstance(t, int | float) else _float32(t)


def _float32(value):
    return ops.convert_to_tensor(value, dtype="float32")
