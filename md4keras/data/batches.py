"""Batches as a pure function of their number, and the Grain data sets made from them."""

import importlib
import sys
from collections.abc import Callable

import numpy as np

from md4keras.data.shuffling import mix, permute


class Batches:
    """A random-access sequence of whole batches.

    One element is one batch, gathered by one NumPy call, because Python work per example would
    cost more than a small model's training step. In training, batch `k` is a function of
    `(seed, k)` alone, so a run that stops after batch `k` continues exactly with
    `start_batch=k + 1`: every epoch visits each example once in a new order, a batch may span two
    epochs, and the sequence has no end. Otherwise the examples come once, in order, the last batch
    as short as it has to be.

    Args:
        gather: Called with `indices` (int64, shape `[batch]`) and `draws` (uint64 of that shape,
            one random word an example for augmentation, or `None` outside training); returns the
            batch.
        num_examples: How many examples there are.
        batch_size: Examples in a batch.
        training: Whether the order is shuffled and endless.
        seed: Decides the order in training.
        start_batch: The number of the first batch.
    """

    def __init__(
        self,
        gather: Callable,
        num_examples: int,
        batch_size: int,
        training: bool,
        seed: int = 0,
        start_batch: int = 0,
    ):
        _check_integer("batch_size", batch_size, least=1)
        _check_integer("start_batch", start_batch, least=0)
        _check_integer("seed", seed)
        self.gather, self.num_examples, self.batch_size = gather, num_examples, int(batch_size)
        self.training, self.start_batch = training, int(start_batch)
        self._key = mix(np.uint64(int(seed) % 2**64))

    def __len__(self) -> int:
        if self.training:
            return sys.maxsize // self.batch_size - self.start_batch
        return max(0, -(-self.num_examples // self.batch_size) - self.start_batch)

    def __getitem__(self, k):
        k = int(k) + self.start_batch
        first = k * self.batch_size
        if not self.training:
            last = min(first + self.batch_size, self.num_examples)
            return self.gather(np.arange(first, last), None)
        places = np.arange(first, first + self.batch_size, dtype="uint64")  # [batch]
        epochs, positions = np.divmod(places, np.uint64(self.num_examples))
        indices = permute(positions, self.num_examples, mix(epochs ^ self._key))
        return self.gather(indices, mix(mix(places) ^ self._key))


def _check_integer(name, value, least=None):
    integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not integer or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise ValueError(
            f"`{name}` must be an integer{bound}. Received: {name}={value!r}. "
            f"Pass {name}={least or 0}, for instance."
        )


def as_grain_dataset(batches: Batches):
    """Wraps batches in a `grain.IterDataset`, which every backend's `fit` and `evaluate` read.

    It can be iterated any number of times and starts anew each time. Pass `shuffle=False` to `fit`,
    which otherwise warns that it does not shuffle a Grain data set.
    The data are in memory already, so no reading threads: they would contend for the interpreter.
    """
    grain = import_optional("grain", "reads the data")
    read_options = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    return grain.MapDataset.source(batches).to_iter_dataset(read_options)


def import_optional(name: str, purpose: str, package: str | None = None):
    """Imports a package that not every user has; says what to install where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{package or name} {purpose} and cannot be imported here: {error}. "
            f"Install it with `pip install {package or name}`."
        ) from error
