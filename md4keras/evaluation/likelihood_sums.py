"""The sums of which a set's likelihood, its density over time and its tables are made."""

import numpy as np
from keras import ops

from md4keras.evaluation.nelbo import Curve, Nelbo, Tables
from md4keras.models import batches
from md4keras.models.draws import DrawSums


class LikelihoodSums:
    """What is added up over the parts of a set, the rows of each and their draws.

    Args:
        model: that is measured.
        num_draws: int, of each example.
        tables: bool, whether rows come by position.

    Attributes:
        count: int, the examples of the parts that are complete.
    """

    def __init__(self, model, num_draws: int, tables: bool):
        self.num_draws, self.count = num_draws, 0
        self.nats, self.errors, self.sizes = [], [], []
        self.strata = np.zeros((3, num_draws))  # of nats, their squares, and times the sizes
        values = model.network.vocabulary_size
        shape = tuple(np.zeros(len(model.network.data_shape), int))
        self.positions = [np.zeros(shape), np.zeros(shape, "int64")] if tables else None
        self.tokens = [np.zeros(values), np.zeros(values, "int64")] if tables else None

    def begin(self, batch) -> None:
        """A part of the data, a `Batch` of arrays, whose rows are added next."""
        self.draws = DrawSums(len(batch.x), self.num_draws)
        scored = np.ones(batch.x.shape, bool)
        if batch.unscored is not None:
            scored &= ~np.broadcast_to(batches.to_array(batch.unscored), batch.x.shape)
        self.scored = scored
        self.sizes.append(scored.reshape(len(scored), -1).sum(axis=1))  # [examples]
        if self.positions is not None:
            self._count(batch)

    def add(self, batch, drawn) -> None:
        """The rows of a network call, a `Drawn`."""
        nats = drawn.values
        if self.positions is not None:
            nats = nats.reshape(len(nats), -1).sum(axis=1)
            total = drawn.values.sum(axis=0) / self.num_draws
            here = tuple(slice(size) for size in total.shape)
            self.positions[0][here] += total
            scored = self.scored[drawn.example]
            tokens, costs = batch.x[drawn.example][scored], drawn.values[scored]
            self.tokens[0] += np.bincount(tokens, costs, len(self.tokens[0])) / self.num_draws
        self.draws.add(drawn.example, drawn.draw, nats)
        sizes = self.sizes[-1][drawn.example]
        for row, values in enumerate((nats, nats**2, nats * sizes)):
            np.add.at(self.strata[row], drawn.draw, values)

    def end(self) -> None:
        """The part is complete."""
        self.nats.append(self.draws.nats)
        self.errors.append(self.draws.error)
        self.count += len(self.nats[-1])

    def _count(self, batch) -> None:
        """How often positions and token values are scored; the tables grow with the lengths."""
        counts = self.scored.sum(axis=0)
        old, shape = self.positions[0].shape, counts.shape
        more = [(0, max(0, new - size)) for new, size in zip(shape, old, strict=True)]
        self.positions = [np.pad(table, more) for table in self.positions]
        self.positions[1][tuple(slice(size) for size in shape)] += counts
        self.tokens[1] += np.bincount(batch.x[self.scored], minlength=len(self.tokens[1]))

    def result(self, model, num_draws: int, seed: int) -> Nelbo:
        """What was found, when all parts are complete."""
        nats, errors, sizes = map(np.concatenate, (self.nats, self.errors, self.sizes))
        bad = int((~np.isfinite(nats)).sum())
        if bad:
            raise ValueError(
                f"The bound of {bad} of {len(nats)} examples is not finite, so there is no mean. "
                "Expected numbers. Received: inf or nan. Train the model at a smaller learning "
                "rate."
            )
        timesteps, tables = getattr(model, "timesteps", None), None
        if self.positions is not None:
            with np.errstate(invalid="ignore"):
                tables = Tables(
                    *(self.positions[0] / self.positions[1], self.positions[1]),
                    *(self.tokens[0] / self.tokens[1], self.tokens[1]),
                )
        curve = self._curve(model, sizes.astype("float64"))
        return Nelbo(nats, errors, sizes, num_draws, seed, timesteps, curve, tables)

    def _curve(self, model, sizes) -> Curve:
        total, squares, products = self.strata
        mean = total / sizes.sum()
        spread = squares - 2 * mean * products + mean**2 * (sizes**2).sum()
        error = np.sqrt(np.maximum(spread, 0.0) * len(sizes) / max(1, len(sizes) - 1))
        edges = np.arange(self.num_draws + 1) / self.num_draws
        time, masked = _at(model, (edges[1:] + edges[:-1]) / 2)
        width = np.diff(_at(model, edges)[0])
        density = 1.0 / (self.num_draws * width)  # strata in a unit of time
        return Curve(time, masked, width, mean * density, error / sizes.sum() * density)


def _at(model, places) -> tuple:
    """Time and masked part at places in `[0, 1]`.

    The places are parts that are masked in continuous time, and times in discrete time.
    """
    schedule, places = model.schedule, places.astype("float32")
    if getattr(model, "timesteps", None) is not None:
        return _array(places), _array(schedule.masked_fraction(places))
    return _array(schedule.time_of_masked_fraction(places)), _array(places)


def _array(tensor) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor), "float64")
