"""Estimates with their errors."""

import dataclasses
import math

import numpy as np

from md4keras.checks import Interval, check_number


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure of a set of examples, with what it may be off.

    Attributes:
        value: float.
        error: float, its standard error for the population of which the examples are a sample,
            and over the draws of masks.
        error_of_draws: float, its standard error over the draws alone, for these very examples.
        freedom: int, the degrees of freedom of the error: the examples less one.
        logarithm: the `Estimate` of whose value this is the exponential, or `None`.

    Example:

    >>> Estimate(2.0, 0.1, 0.01, freedom=999).interval()
    (1.80..., 2.19...)
    """

    value: float
    error: float
    error_of_draws: float
    freedom: int
    logarithm: "Estimate | None" = None

    @property
    def error_of_data(self) -> float:
        """The part of the error that more draws do not take away."""
        return math.sqrt(max(0.0, self.error**2 - self.error_of_draws**2))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval that covers the population's figure with this probability (Student's t).

        That of an exponential is the exponential of the logarithm's.

        Args:
            level: float in `(0, 1)`.
        """
        from scipy import stats  # JAX, on which the library stands, brings it

        part = Interval(0, 1, with_low=False, with_high=False)
        check_number("level", level, part, "Use 0.95 for 95 %.")
        if self.logarithm is not None:
            return tuple(map(_exp, self.logarithm.interval(level)))
        half = float(stats.t.ppf(0.5 + level / 2, self.freedom)) * self.error
        return self.value - half, self.value + half

    def times(self, factor: float) -> "Estimate":
        """The same in another unit; not of an exponential."""
        if self.logarithm is not None:
            raise ValueError(
                "An exponential has no other unit. Expected nats or bits. Received: "
                f"{self}. Change the unit before the exponential."
            )
        figures = (factor * each for each in (self.value, self.error, self.error_of_draws))
        return Estimate(*figures, self.freedom)

    def exp(self) -> "Estimate":
        """Its exponential, such as a perplexity of nats; errors to first order."""
        value = _exp(self.value)
        return Estimate(
            value, value * self.error, value * self.error_of_draws, self.freedom, logarithm=self
        )

    def as_dict(self, name: str) -> dict:
        """JSON values under this name: the figure, its errors, and the ends of the interval.

        `None` stands for what is too large for a number.
        """
        errors = ("error", "error_of_data", "error_of_draws")
        found = {name: self.value} | {f"{name}_{each}": getattr(self, each) for each in errors}
        found = {key: _finite(value) for key, value in found.items()}
        return found | {f"{name}_interval": list(map(_finite, self.interval()))}


def ratio(values, errors, sizes, num_draws: int) -> Estimate:
    """What one of `sizes` costs, over examples: `sum(values) / sum(sizes)`.

    The spread of the examples holds that of the draws. A single example has that of its draws.

    Args:
        values, errors: float arrays `[n]`, each example's value, and its error over the draws.
        sizes: array `[n]`, such as how many tokens or words each has.
        num_draws: int, of each example.

    Example:

    >>> ratio(np.array([2.0, 6.0]), np.array([0.2, 0.2]), np.array([2, 2]), num_draws=16).error
    1.0
    """
    count, total = len(values), float(np.sum(sizes))
    mean = float(np.sum(values)) / total
    error_of_draws = math.sqrt(float(np.sum(errors**2))) / total
    if count == 1:
        return Estimate(mean, error_of_draws, error_of_draws, max(1, num_draws // 2))
    spread = float(np.sum((values - mean * sizes) ** 2)) * count / (count - 1)
    return Estimate(mean, math.sqrt(spread) / total, error_of_draws, count - 1)


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
