"""Networks whose logits are known exactly: the true posteriors of enumerable distributions."""

import itertools

import keras
import numpy as np
from keras import ops
from scipy import stats


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


class TruePosterior(keras.layers.Layer):
    """As `TrueConditionals` where each token value has its own masking schedule.

    What is masked then tells something: `p(x | zt)` is the prior, cut to what is revealed, times
    `1 - alpha_v(t)` for the value `v` of each masked position.

    Args:
        joint: float array of shape `[V] * N`, summing to 1.
        power: float array `[V]`, the exponents.
    """

    def __init__(self, joint: np.ndarray, power: np.ndarray):
        super().__init__(autocast=False)
        values, count = joint.shape[0], joint.ndim
        self.vocabulary_size, self.data_shape = values, (count,)
        self.num_classes, self.time_conditioned = None, True
        self.states = np.array(list(itertools.product(range(values), repeat=count)), "int32")
        self.log_prior = np.log(joint.ravel()).astype("float32")
        self.power = np.asarray(power, "float32")
        self.built = True

    def call(self, inputs, training=None):
        zt, t = inputs["tokens"][:, None], inputs["time"]  # [B, 1, N], [B]
        masked = ops.equal(zt, self.vocabulary_size)
        states = ops.convert_to_tensor(self.states)
        agrees = ops.all(masked | ops.equal(zt, states), axis=-1)  # [B, states]
        powers = ops.convert_to_tensor(self.power[self.states])  # [states, N]
        exponent = ops.sum(ops.where(masked, powers, 0.0), axis=-1)
        log_p = (
            ops.convert_to_tensor(self.log_prior)
            + exponent * ops.log(ops.maximum(t, 1e-6))[:, None]
        )
        log_p = ops.where(agrees, log_p, -1e9)
        one_hot = ops.one_hot(states, self.vocabulary_size, dtype="float32")  # [states, N, V]
        posterior = ops.einsum("bs,snv->bnv", ops.softmax(log_p, axis=-1), one_hot)
        return ops.log(ops.maximum(posterior, 1e-30))


class FixedLogits(keras.layers.Layer):
    """The same logits at every position of every state.

    Args:
        logits: float array `[V]`.
        count: int, positions.
    """

    def __init__(self, logits, count: int):
        super().__init__(autocast=False)
        self.vocabulary_size, self.data_shape = len(logits), (count,)
        self.num_classes, self.time_conditioned = None, False
        self.logits = np.asarray(logits, "float32")
        self.built = True

    def call(self, inputs, training=None):
        shape = (*inputs["tokens"].shape, self.vocabulary_size)
        return ops.broadcast_to(ops.convert_to_tensor(self.logits), shape)


def random_joint(values: int = 3, count: int = 4, seed: int = 0) -> np.ndarray:
    """A random distribution over `values**count` states, far from independent."""
    joint = np.random.default_rng(seed).gamma(0.5, size=(values,) * count)
    return joint / joint.sum()


def entropy(joint: np.ndarray) -> float:
    """In nats."""
    return float(-(joint * np.log(joint)).sum())


def count_states(samples, values: int) -> np.ndarray:
    """How often each of the `values**N` states occurs among samples `[n, N]`."""
    codes = np.ravel_multi_index(np.asarray(samples).T, (values,) * samples.shape[1])
    return np.bincount(codes, minlength=values ** samples.shape[1])


def chi_square(counts, probabilities) -> float:
    """p-value of counts under a distribution; what is too rare for the test is pooled."""
    counts, expected = np.ravel(counts), np.ravel(probabilities) * np.sum(counts)
    common = expected >= 5
    rare_observed, rare_expected = counts[~common].sum(), expected[~common].sum()
    observed, expected = counts[common].astype(float), expected[common]
    if rare_expected > 0:
        observed, expected = np.append(observed, rare_observed), np.append(expected, rare_expected)
    return float(stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue)
