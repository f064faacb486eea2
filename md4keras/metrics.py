"""Metrics in the units of the field (bits per dimension, perplexity), and ranges of values."""

import math

import keras
from keras import ops

__all__ = ["BitsPerDimension", "Mean", "Perplexity", "ValueRange"]


@keras.saving.register_keras_serializable(package="md4keras")
class Mean(keras.metrics.Mean):
    """As Keras's; not a number where nothing was counted, as 0 would be a perfect figure.

    Example:

    >>> metric = md4keras.metrics.Mean()
    >>> float(metric.result())
    nan
    >>> metric.update_state([1.0, 2.0])
    >>> float(metric.result())
    1.5
    """

    def result(self):
        return ops.where(ops.greater(self.count, 0.0), super().result(), float("nan"))


@keras.saving.register_keras_serializable(package="md4keras")
class BitsPerDimension(Mean):
    """Mean of values given in nats per dimension, in bits: `nats / ln 2`.

    Example:

    >>> metric = md4keras.metrics.BitsPerDimension()
    >>> metric.update_state(np.log([2.0, 8.0]))  # nats per dimension
    >>> round(float(metric.result()), 3)
    2.0
    """

    def __init__(self, name: str = "bits_per_dim", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def result(self):
        return super().result() / math.log(2.0)


@keras.saving.register_keras_serializable(package="md4keras")
class Perplexity(Mean):
    """`exp` of the mean of values given in nats per dimension.

    Example:

    >>> metric = md4keras.metrics.Perplexity()
    >>> metric.update_state(np.log([2.0, 8.0]))  # nats per dimension
    >>> round(float(metric.result()), 3)
    4.0
    """

    def __init__(self, name: str = "perplexity", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def result(self):
        return ops.exp(super().result())


class ValueRange(keras.metrics.Metric):
    """The smallest and the largest of all values and 0, float32 `[2]` (ints up to 2**24).

    Example:

    >>> metric = md4keras.metrics.ValueRange("ids")
    >>> metric.update_state([3, 7])
    >>> keras.ops.convert_to_numpy(metric.result()).tolist()
    [0.0, 7.0]
    """

    def __init__(self, name: str, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.ends = self.add_weight(shape=(2,), initializer="zeros", name="ends", dtype="float32")

    def update_state(self, values):
        """Takes numbers of any shape."""
        values = ops.cast(values, "float32")
        ends = (
            ops.minimum(self.ends[0], ops.min(values)),
            ops.maximum(self.ends[1], ops.max(values)),
        )
        self.ends.assign(ops.stack(ends))

    def result(self):
        return ops.copy(self.ends)  # PyTorch's variables are changed in place
