"""Batches that several devices can share: filled up with rows that count nothing.

Under a `keras.distribution` each device takes an equal part of a batch, so the number of rows has
to be a multiple of the devices'. The rows that are added are copies of the last one; a sample
weight of -1 marks them. Of several processes each brings its rows of a batch, and all the same
number: those whose data have ended bring rows that count nothing.
"""

import inspect
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops
from keras.src.trainers.data_adapters import array_slicing, get_data_adapter
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from md4keras import backend, distribution
from md4keras.models import validation

_MARK = -1.0


def counted_rows(sample_weight):
    """Which rows of a batch count, bool `[B]`, or `None` for all; and their sample weights."""
    if keras.distribution.distribution() is None:
        return None, sample_weight
    if sample_weight is None:  # a batch that was not filled
        return None, None
    first = ops.reshape(sample_weight, (ops.shape(sample_weight)[0], -1))[:, 0]
    return first != _MARK, ops.maximum(sample_weight, 0.0)


def filled(model, method, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of a method of `keras.Model` that takes data, with filled batches.

    Args:
        model: in training, its `micro_batches` are filled too.
        method: `keras.Model.fit`, `evaluate`, `train_on_batch` or `test_on_batch`.
        args, kwargs: its arguments, without `self`.
    """
    parts = max(1, distribution.batch_parts() // backend.num_processes())
    if parts == backend.num_processes() == 1 or kwargs.get("_use_cached_eval_dataset"):
        return args, kwargs
    training = method in (keras.Model.fit, keras.Model.train_on_batch)
    multiple = parts * getattr(model, "micro_batches", 1) if training else parts
    given = dict(inspect.signature(method).bind(None, *args, **kwargs).arguments)
    del given["self"]
    given |= given.pop("kwargs", {})
    if method in (keras.Model.train_on_batch, keras.Model.test_on_batch):
        batch = given["x"], given.get("y"), given.get("sample_weight")
        (batch,) = _filled([batch], multiple, number=1)
        given["x"], given["y"], given["sample_weight"] = batch
        return (), given
    if given.get("validation_split") and given.get("validation_data") is None:
        arrays = given["x"], given.get("y"), given.get("sample_weight")
        arrays, given["validation_data"] = array_slicing.train_validation_split(
            arrays, given.pop("validation_split")
        )
        given["x"], given["y"], given["sample_weight"] = arrays
    if given.get("validation_data") is not None:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(given["validation_data"])
        size, steps = given.get("validation_batch_size"), given.get("validation_steps")
        adapter = get_data_adapter(x, y, weight, size or given.get("batch_size"), steps)
        given["validation_data"] = FilledBatches(adapter, parts, steps)
    names = ("y", "sample_weight", "batch_size", "shuffle", "class_weight")
    how = {name: given.pop(name) for name in names if name in given}
    steps = given.get("steps_per_epoch", given.get("steps"))
    adapter = get_data_adapter(given["x"], steps_per_epoch=steps, **how)
    given["x"] = FilledBatches(adapter, multiple, steps)
    return (), given


class FilledBatches(DataAdapter):
    """Data for Keras's trainer on JAX: those of another adapter, in filled batches.

    Args:
        adapter: a `DataAdapter`.
        multiple: int, what each number of rows is to be a multiple of.
        number: int, how many batches all processes read; `None` for all that there are, of which
            one process may have more than another.
    """

    def __init__(self, adapter: DataAdapter, multiple: int, number: int | None = None):
        self._adapter, self._multiple, self._number = adapter, multiple, number

    def get_jax_iterator(self):
        return _filled(self._adapter.get_jax_iterator(), self._multiple, self._number)

    @property
    def num_batches(self):
        return self._adapter.num_batches

    def on_epoch_begin(self):
        self._adapter.on_epoch_begin()

    def on_epoch_end(self):
        self._adapter.on_epoch_end()


def fill(batch, multiple: int, least: int = 0, is_there: bool = True) -> tuple:
    """A batch `x`, `(x, y)` or `(x, y, sample_weight)` with rows added, as `(x, y, weight)`.

    Args:
        batch: arrays `[B, ...]`, or dictionaries of such; `y` and `sample_weight` may be `None`.
        multiple: int, what the number of rows is to be a multiple of.
        least: int, how many rows there are to be at least.
        is_there: bool; `False` for a batch of which no row counts.
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    count = _num_rows(batch)
    wanted = max(count, least)
    rows = np.arange(wanted + -wanted % multiple)
    weight = np.ones(count, "float32") if weight is None else np.asarray(weight, "float32")
    validation.check_weights(weight)
    x, y, weight = keras.tree.map_structure(
        lambda a: None if a is None else np.asarray(a)[np.minimum(rows, count - 1)], (x, y, weight)
    )
    weight[count if is_there else 0 :] = _MARK
    return x, y, weight


def _filled(batches, multiple: int, number: int | None = None) -> Iterator[tuple]:
    """Batches with rows added; all processes give as many batches, of as many rows."""
    if backend.num_processes() == 1:
        yield from (fill(batch, multiple) for batch in batches)
        return
    batches, last, most = iter(batches), None, 0
    while (batch := next(batches, None)) is not None or number is None:
        if number is None or not most:  # else the first has told
            counts = backend.of_all_processes([0 if batch is None else _num_rows(batch)])
            most = int(counts.max())
            if not most:
                return
            if last is None and not counts.min():
                raise ValueError(
                    "A process has no data. Expected at least one batch in each. Received: "
                    f"{counts.ravel().tolist()} rows in the first batches. Take fewer processes."
                )
        last = last if batch is None else batch
        yield fill(last, multiple, most, batch is not None)


def _num_rows(batch) -> int:
    return len(keras.tree.flatten(batch)[0])
