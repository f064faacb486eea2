"""The negative ELBO of a set of examples: what `likelihood` returns."""

import dataclasses
import math

import numpy as np

from md4keras.checks import as_array
from md4keras.evaluation.estimates import Estimate, ratio


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """The bound as an integral over time: its density at the middle of each stratum.

    Attributes:
        time: float64 `[num_draws]`, rising.
        masked_fraction: float64 `[num_draws]`, the part of the scored positions that is masked
            then.
        width: float64 `[num_draws]`, of each stratum in time.
        nats_per_dim: float64 `[num_draws]`, the density over time; its sum over the strata, each
            times its width, is the bound.
        error: float64 `[num_draws]`, its standard error over the examples.
    """

    time: np.ndarray
    masked_fraction: np.ndarray
    width: np.ndarray
    nats_per_dim: np.ndarray
    error: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """What positions and token values cost.

    The reconstruction term is spread evenly over an example's positions.

    Attributes:
        position_nats: float64 `[*data_shape]`, the mean at each position; nan where none is scored.
        position_count: int64 `[*data_shape]`, in how many examples it is scored.
        token_nats: float64 `[V]`, the mean of each token value; nan where it does not occur.
        token_count: int64 `[V]`, how often it is scored.
    """

    position_nats: np.ndarray
    position_count: np.ndarray
    token_nats: np.ndarray
    token_count: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Nelbo:
    """The negative ELBO of a set, an upper bound on `-log p`.

    Attributes:
        nats, error: float64 `[n]`, of each example, and its standard error over the draws.
        sizes: int64 `[n]`, the scored positions of each.
        num_draws, seed: int.
        timesteps: int, or `None` for continuous time.
        curve: a `Curve`.
        tables: a `Tables`, or `None`.

    Example:

    >>> found = md4keras.evaluation.likelihood(model, np.zeros((10, 8), "int32"), num_draws=2)
    >>> round(found.bits_per_dim.value, 2), round(found.perplexity.value, 2)  # log2(5)
    (2.32, 5.0)
    """

    nats: np.ndarray
    error: np.ndarray
    sizes: np.ndarray
    num_draws: int
    seed: int
    timesteps: int | None
    curve: Curve
    tables: Tables | None

    @property
    def nats_per_dim(self) -> Estimate:
        """Nats for a scored position: a pixel's channel, a token."""
        return ratio(self.nats, self.error, self.sizes, self.num_draws)

    @property
    def bits_per_dim(self) -> Estimate:
        """Bits for a scored position."""
        return self.nats_per_dim.times(1 / math.log(2))

    @property
    def perplexity(self) -> Estimate:
        """The exponential of the nats for a token."""
        return self.nats_per_dim.exp()

    def nats_per(self, counts) -> Estimate:
        """Nats for a word, a character or another measure of the same data.

        Args:
            counts: numbers `[n]`, how many each example has; or one number of them all, whose
                spread over the examples is then not in the error.
        """
        counts = as_array("counts", counts)
        good = np.issubdtype(counts.dtype, np.number) and counts.shape in ((), self.sizes.shape)
        if not good or not (counts >= 0).all() or not 0 < counts.sum() < np.inf:
            raise ValueError(
                "`counts` are of the examples that were scored. Expected numbers of at least 0, "
                f"not all 0, of shape {self.sizes.shape}, or one. Received: counts={counts}. "
                "Count the words of each example's text."
            )
        if counts.shape == ():
            counts = self.sizes * (counts / self.sizes.sum())
        return ratio(self.nats, self.error, counts, self.num_draws)

    def bits_per(self, counts) -> Estimate:
        """As `nats_per`, in bits."""
        return self.nats_per(counts).times(1 / math.log(2))

    def perplexity_per(self, counts) -> Estimate:
        """The exponential of `nats_per`, such as the perplexity of a word."""
        return self.nats_per(counts).exp()
