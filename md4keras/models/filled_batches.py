"""Batches that several devices can share: filled up with rows that count nothing.

Under a `keras.distribution` each device takes an equal part of a batch, so the number of rows has
to be a multiple of the devices'. The rows that are added are copies of the last one; a sample
weight of -1 marks them.
"""

import inspect

import keras
import numpy as np
from keras import ops
from keras.src.trainers.data_adapters import array_slicing, get_data_adapter
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

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


def filled(method, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of a method of `keras.Model` that takes data, with filled batches.

    Args:
        method: `keras.Model.fit`, `evaluate`, `train_on_batch` or `test_on_batch`.
        args, kwargs: its arguments, without `self`.
    """
    multiple = _parts_of_a_batch()
    if multiple == 1 or kwargs.get("_use_cached_eval_dataset"):
        return args, kwargs
    given = dict(inspect.signature(method).bind(None, *args, **kwargs).arguments)
    del given["self"]
    given |= given.pop("kwargs", {})
    if method in (keras.Model.train_on_batch, keras.Model.test_on_batch):
        batch = given["x"], given.get("y"), given.get("sample_weight")
        given["x"], given["y"], given["sample_weight"] = fill(batch, multiple)
        return (), given
    if given.get("validation_split") and given.get("validation_data") is None:
        arrays = given["x"], given.get("y"), given.get("sample_weight")
        arrays, given["validation_data"] = array_slicing.train_validation_split(
            arrays, given.pop("validation_split")
        )
        given["x"], given["y"], given["sample_weight"] = arrays
    if given.get("validation_data") is not None:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(given["validation_data"])
        size = given.get("validation_batch_size") or given.get("batch_size")
        adapter = get_data_adapter(x, y, weight, size, given.get("validation_steps"))
        given["validation_data"] = FilledBatches(adapter, multiple)
    names = ("y", "sample_weight", "batch_size", "shuffle", "class_weight")
    how = {name: given.pop(name) for name in names if name in given}
    steps = given.get("steps_per_epoch", given.get("steps"))
    adapter = get_data_adapter(given["x"], steps_per_epoch=steps, **how)
    given["x"] = FilledBatches(adapter, multiple)
    return (), given


class FilledBatches(DataAdapter):
    """Data for Keras's trainer on JAX: those of another adapter, in filled batches.

    Args:
        adapter: a `DataAdapter`.
        multiple: int, what each number of rows is to be a multiple of.
    """

    def __init__(self, adapter: DataAdapter, multiple: int):
        self._adapter, self._multiple = adapter, multiple

    def get_jax_iterator(self):
        return (fill(batch, self._multiple) for batch in self._adapter.get_jax_iterator())

    @property
    def num_batches(self):
        return self._adapter.num_batches

    def on_epoch_begin(self):
        self._adapter.on_epoch_begin()

    def on_epoch_end(self):
        self._adapter.on_epoch_end()


def fill(batch, multiple: int) -> tuple:
    """A batch `x`, `(x, y)` or `(x, y, sample_weight)` with rows added, as `(x, y, weight)`.

    Args:
        batch: arrays `[B, ...]`, or dictionaries of such; `y` and `sample_weight` may be `None`.
        multiple: int, what the number of rows is to be a multiple of.
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    count = len(keras.tree.flatten(x)[0])
    rows = np.arange(count + -count % multiple)
    weight = np.ones(count, "float32") if weight is None else np.asarray(weight, "float32")
    validation.check_weights(weight)
    x, y, weight = keras.tree.map_structure(
        lambda a: None if a is None else np.asarray(a)[np.minimum(rows, count - 1)], (x, y, weight)
    )
    weight[count:] = _MARK
    return x, y, weight


def _parts_of_a_batch() -> int:
    """Into how many parts this process's devices cut its batch."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    mesh = distribution.device_mesh
    parts = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
    return max(1, parts // distribution.num_processes)
