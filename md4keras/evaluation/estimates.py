"""Estimates with their errors."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure of a set of examples, with what it may be off.

    Attributes:
        value: float.
        error: float, its standard error for the population of which the examples are a sample,
            and over the draws of masks.
        error_of_draws: float, its standard error over the draws alone, for these very examples.
        num_examples: int, how many independent examples it is of.

    Example:

    >>> Estimate(2.0, 0.1, 0.01, num_examples=1000).interval()
    (1.80..., 2.19...)
    """

    value: float
    error: float
    error_of_draws: float
    num_examples: int

    @property
    def error_of_data(self) -> float:
        """The part of the error that more draws do not take away."""
        return math.sqrt(max(0.0, self.error**2 - self.error_of_draws**2))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval that covers the population's figure with this probability (Student's t).

        Args:
            level: float in `(0, 1)`.
        """
        from scipy import stats  # JAX, on which the library stands, brings it

        freedom = max(1, self.num_examples - 1)
        half = float(stats.t.ppf(0.5 + level / 2, freedom)) * self.error
        return self.value - half, self.value + half

    def times(self, factor: float) -> "Estimate":
        """The same in another unit."""
        value, error, error_of_draws = (
            factor * each for each in (self.value, self.error, self.error_of_draws)
        )
        return dataclasses.replace(self, value=value, error=error, error_of_draws=error_of_draws)

    def exp(self) -> "Estimate":
        """Its exponential, such as a perplexity of nats; errors to first order."""
        value = math.exp(self.value)
        return dataclasses.replace(
            self,
            value=value,
            error=value * self.error,
            error_of_draws=value * self.error_of_draws,
        )

    def as_dict(self, name: str) -> dict:
        """JSON values under this name: the figure, its errors, and the ends of the interval."""
        return {
            name: self.value,
            f"{name}_error": self.error,
            f"{name}_error_of_draws": self.error_of_draws,
            f"{name}_interval": list(self.interval()),
        }


def ratio(values, errors, sizes) -> Estimate:
    """What one of `sizes` costs, over examples: `sum(values) / sum(sizes)`.

    The spread of the examples holds that of the draws. A single example has that of its draws.

    Args:
        values, errors: float arrays `[n]`, each example's value, and its error over the draws.
        sizes: int array `[n]`.

    Example:

    >>> import numpy as np
    >>> ratio(np.array([2.0, 6.0]), np.array([0.2, 0.2]), np.array([2, 2])).error
    1.0
    """
    count, total = len(values), float(sizes.sum())
    mean = float(values.sum()) / total
    error_of_draws = math.sqrt(float((errors**2).sum())) / total
    if count == 1:
        return Estimate(mean, error_of_draws, error_of_draws, count)
    spread = float(((values - mean * sizes) ** 2).sum()) * count / (count - 1)
    return Estimate(mean, math.sqrt(spread) / total, error_of_draws, count)
