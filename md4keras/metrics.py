"""Metrics in the units of the field (bits per dimension, perplexity), and the range of ids."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="md4keras")
class BitsPerDimension(keras.metrics.Mean):
    """Mean of values given in nats per dimension, in bits: `nats / ln 2`."""

    def __init__(self, name: str = "bits_per_dim", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def result(self):
        return super().result() / math.log(2.0)


@keras.saving.register_keras_serializable(package="md4keras")
class Perplexity(keras.metrics.Mean):
    """`exp` of the mean of values given in nats per dimension."""

    def __init__(self, name: str = "perplexity", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def result(self):
        return ops.exp(super().result())


class IdRange(keras.metrics.Metric):
    """The smallest and the largest of all ids and 0, float32 `[2]` (exact up to 2**24)."""

    def __init__(self, name: str, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.ends = self.add_weight(shape=(2,), initializer="zeros", name="ends", dtype="float32")

    def update_state(self, ids):
        """Takes ids, ints of any shape."""
        ids = ops.cast(ids, "float32")
        low, high = ops.minimum(self.ends[0], ops.min(ids)), ops.maximum(self.ends[1], ops.max(ids))
        self.ends.assign(ops.stack([low, high]))

    def result(self):
        return ops.copy(self.ends)  # PyTorch's variables are changed in place
