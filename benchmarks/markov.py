"""A source whose every conditional is known: a Markov chain, and its exact denoiser."""

import keras
import numpy as np
from keras import ops


def source(states: int):
    """A transition matrix, its stationary distribution, and the entropy rate in nats."""
    if states == 2:
        matrix = np.array([[0.9, 0.1], [0.3, 0.7]])
    else:
        matrix = np.random.default_rng(0).dirichlet(np.full(states, 0.4), size=states)
        matrix = 0.98 * matrix + 0.02 / states
    values, vectors = np.linalg.eig(matrix.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary = stationary / stationary.sum()
    rate = -(stationary[:, None] * matrix * np.log(matrix)).sum()
    return matrix, stationary, rate


def draw(matrix, stationary, count: int, length: int, seed: int) -> np.ndarray:
    """Sequences of the source, int32 `[count, length]`."""
    rng = np.random.default_rng(seed)
    x = np.zeros((count, length), "int32")
    x[:, 0] = rng.choice(len(stationary), count, p=stationary)
    cumulative = matrix.cumsum(axis=1)
    for position in range(1, length):
        uniforms = rng.random((count, 1))
        drawn = (uniforms > cumulative[x[:, position - 1]]).sum(axis=1)
        x[:, position] = np.minimum(drawn, len(stationary) - 1)
    return x


def log_probability(x, matrix, stationary) -> np.ndarray:
    """`log p(x)` of sequences `[n, length]`, nats `[n]`."""
    return np.log(stationary)[x[:, 0]] + np.log(matrix)[x[:, :-1], x[:, 1:]].sum(axis=1)


class MarkovConditionals(keras.layers.Layer):
    """`mu(zt)` of a stationary chain, exactly: forward and backward messages between reveals.

    Args:
        matrix: float array `[V, V]`, transition probabilities.
        stationary: float array `[V]`.
        length: int, positions.
    """

    def __init__(self, matrix, stationary, length: int):
        super().__init__(autocast=False)
        self.vocabulary_size, self.data_shape = len(stationary), (length,)
        self.num_classes, self.time_conditioned = None, False
        self.matrix = np.asarray(matrix, "float32")
        self.stationary = np.asarray(stationary, "float32")
        self.built = True

    def call(self, inputs, training=None):
        zt, values = inputs["tokens"], self.vocabulary_size
        masked = ops.expand_dims(ops.equal(zt, values), -1)  # [B, L, 1]
        seen = ops.one_hot(ops.minimum(zt, values - 1), values, dtype="float32")
        seen = ops.where(masked, 1.0, seen)
        matrix, stationary = map(ops.convert_to_tensor, (self.matrix, self.stationary))
        backwards = ops.transpose(matrix)
        forward = [ops.ones_like(seen[:, 0]) * stationary]
        backward = [ops.ones_like(seen[:, 0])]
        for position in range(self.data_shape[0] - 1):
            forward.append(_normal((forward[-1] * seen[:, position]) @ matrix))
            backward.append(_normal((backward[-1] * seen[:, -1 - position]) @ backwards))
        product = ops.stack(forward, axis=1) * ops.stack(backward[::-1], axis=1)  # [B, L, V]
        return ops.log(ops.maximum(product, 1e-30))


def _normal(message):
    return message / ops.sum(message, axis=-1, keepdims=True)
