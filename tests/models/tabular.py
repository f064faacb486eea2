"""A network whose logits are known exactly: the true conditionals of an enumerable distribution."""

import itertools

import keras
import numpy as np
from keras import ops


class TrueConditionals(keras.layers.Layer):
    """`mu(zt)` for each position given the revealed ones, under a distribution over `V**N`.

    Args:
        joint: float array of shape `[V] * N`, summing to 1.
    """

    def __init__(self, joint: np.ndarray):
        super().__init__(autocast=False)
        values, count = joint.shape[0], joint.ndim
        self.vocabulary_size, self.data_shape = values, (count,)
        self.num_classes, self.time_conditioned = None, False
        table = np.zeros(((values + 1) ** count, count, values), "float32")
        for code, state in enumerate(itertools.product(range(values + 1), repeat=count)):
            given = tuple(slice(None) if v == values else slice(v, v + 1) for v in state)
            part = joint[given]
            for position in range(count):
                others = tuple(axis for axis in range(count) if axis != position)
                marginal = part.sum(axis=others)
                full = np.full(values, 1e-30)
                full[given[position]] = marginal
                table[code, position] = np.log(full / full.sum())
        self.table = self.add_weight(
            name="table",
            shape=table.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(table),
            trainable=False,
        )
        self.built = True

    def call(self, inputs, training=None):
        code = 0
        for position in range(self.data_shape[0]):
            code = code * (self.vocabulary_size + 1) + inputs["tokens"][:, position]
        return ops.take(self.table, code, axis=0)  # [B, N, V]


def random_joint(values: int = 3, count: int = 4, seed: int = 0) -> np.ndarray:
    """A random distribution over `values**count` states, far from independent."""
    joint = np.random.default_rng(seed).gamma(0.5, size=(values,) * count)
    return joint / joint.sum()


def entropy(joint: np.ndarray) -> float:
    """In nats."""
    return float(-(joint * np.log(joint)).sum())
