"""Metrics in the units of the field: bits per dimension and perplexity."""

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
