"""Draws of masks of examples, many of which go through the network in one call."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from md4keras import backend, distribution, random
from md4keras.models.batches import Batch


class Draws(NamedTuple):
    """Rows to score, as tensors, and which draw of masks of which example each row is.

    Attributes:
        batch: a `Batch` without weights.
        example, draw: int32 `[B]`.
        num_samples: float32 scalar, the draws of each example.
        seed: int32 scalar, the word of the seed.
    """

    batch: Batch
    example: Any
    draw: Any
    num_samples: Any
    seed: Any

    @property
    def uniforms(self):
        """Two sets of uniforms in `[0, 1)` for each position, float32 like the tokens."""
        x = self.batch.x
        draw = ops.reshape(self.draw, (-1,) + (1,) * (len(x.shape) - 1))
        return random.uniforms(self.seed, self.example, ops.shape(x)[1:], draw)


class Drawn(NamedTuple):
    """What one network call found, as arrays.

    Attributes:
        example, draw: int `[rows]`, the number of each row's example among those asked, and of its
            draw.
        values: float64 `[rows, ...]`.
        calls, most_calls: int, network calls so far and in all.
    """

    example: np.ndarray
    draw: np.ndarray
    values: np.ndarray
    calls: int
    most_calls: int


class Plan(NamedTuple):
    """Which rows are drawn: `num_samples` of each example, one after another.

    Attributes:
        batch: a `Batch` of arrays.
        num_samples: int, the draws of each example.
        seed: int.
        first_example: int, the number of the first example, for the draws.
    """

    batch: Batch
    num_samples: int
    seed: int
    first_example: int = 0

    def tensors(self, example: np.ndarray, draw: np.ndarray) -> Draws:
        """What a network call takes: these draws of these examples, which are counted from 0."""
        parts = [None if part is None else part[example] for part in self.batch]
        batch = Batch(*(None if part is None else ops.convert_to_tensor(part) for part in parts))
        number = (example + self.first_example).astype("int32")
        seed = np.int32(random.seed_word(int(self.seed)))
        how = (number, draw.astype("int32"), np.float32(self.num_samples), seed)
        return Draws(batch, *map(ops.convert_to_tensor, how))


def network_calls(function: Callable, plan: Plan, batch_size: int) -> Iterator[Drawn]:
    """Calls a compiled function on all rows of a plan, so many at a time.

    Args:
        function: of `Draws`, returns a float tensor `[rows, ...]`.
        plan: a `Plan`.
        batch_size: int, rows of a call (more where that lets all devices have a part). The last
            ones are repeated, so that one shape is compiled.
    """
    count, size = len(plan.batch.x) * plan.num_samples, distribution.whole_rows(batch_size)
    most = -(-count // size)
    for call in range(most):
        rows = np.minimum(np.arange(call * size, (call + 1) * size), count - 1)
        example, draw = np.divmod(rows, plan.num_samples)
        values = backend.to_numpy(function(plan.tensors(example, draw)))
        real = slice(count - call * size)
        yield Drawn(example[real], draw[real], values[real].astype("float64"), call + 1, most)


class DrawSums:
    """Sums over the draws of each example, whatever rows came in one network call.

    Args:
        num_examples, num_samples: int.
    """

    def __init__(self, num_examples: int, num_samples: int):
        self.num_samples = num_samples
        self._total, self._squares = np.zeros(num_examples), np.zeros(num_examples)
        self._previous = np.zeros(1)

    def add(self, example: np.ndarray, draw: np.ndarray, nats: np.ndarray) -> None:
        """Adds the values of rows, which follow those that were added last."""
        differences = np.diff(np.concatenate([self._previous, nats]))
        paired = closes_pair(draw, self.num_samples)
        np.add.at(self._total, example, nats)
        np.add.at(self._squares, example, np.where(paired, differences**2, 0.0))
        self._previous = nats[-1:]

    @property
    def nats(self) -> np.ndarray:
        """The mean over the draws, float64 `[n]`."""
        return self._total / self.num_samples

    @property
    def error(self) -> np.ndarray:
        """Its standard error, float64 `[n]`, from strata in pairs."""
        return np.sqrt(self._squares) / self.num_samples


def closes_pair(draw, num_samples):
    """Whether a draw is the second of two strata that are compared; for arrays and tensors.

    Strata come in pairs; the last of an odd number makes one with its neighbour.
    """
    return (draw % 2 == 1) | ((draw == num_samples - 1) & (num_samples % 2 == 1))
