"""Exact denoisers: layers that give `p(x_i | zt)` of a known distribution, in a network's place.

All return logarithms, float32 `[B, N, V]`. At a revealed position that is the token itself, with
certainty. A state that the distribution says is impossible tells nothing: what does not follow
from the rest is uniform. The sources of `evaluation.sources` make them.

Where each token value has a masking schedule of its own, that a position is masked tells of its
value. Such a denoiser is given `log_masked`, a function from times `[B]` to `log(1 - alpha_v(t))`,
`[B, V]`: `p(x | zt)` is then proportional to `p(x)`, cut to what is revealed, times
`1 - alpha_v(t)` for the value `v` of each masked position.
"""

import itertools

import keras
import numpy as np
from keras import ops

_LEAST = 1e-30  # of a probability, so that its logarithm is finite
_EARLIEST = 1e-30  # so that logarithms of time are finite too


class Denoiser(keras.layers.Layer):
    """What a model reads of a network, and nothing to train.

    Args:
        vocabulary_size: int, `V`; the mask token is `V`.
        length: int, `N`.
        log_masked: a function as above, or `None` where masks tell nothing of the values.
    """

    def __init__(self, vocabulary_size: int, length: int, log_masked=None):
        super().__init__(autocast=False)
        self.vocabulary_size, self.data_shape = vocabulary_size, (length,)
        self.num_classes = None
        self.log_masked, self.time_conditioned = log_masked, log_masked is not None
        self.built = True

    def masked_at(self, time):
        """`log(1 - alpha_v(t))` of each token value, float32 `[B, V]`; finite at time 0."""
        return self.log_masked(ops.maximum(time, _EARLIEST))


class TableOfConditionals(Denoiser):
    """The conditionals of all `(V + 1)**N` states of an enumerable distribution, looked up.

    Args:
        joint: float array `[V] * N`, summing to 1.
    """

    def __init__(self, joint: np.ndarray):
        values, count = joint.shape[0], joint.ndim
        super().__init__(values, count)
        table = np.zeros(((values + 1) ** count, count, values), "float32")
        for code, state in enumerate(itertools.product(range(values + 1), repeat=count)):
            given = tuple(slice(None) if v == values else slice(v, v + 1) for v in state)
            part = joint[given]
            for position in range(count):
                others = tuple(axis for axis in range(count) if axis != position)
                full = np.zeros(values)
                full[given[position]] = part.sum(axis=others)
                if not full.sum():
                    full[given[position]] = 1.0
                table[code, position] = np.log(np.maximum(full / full.sum(), _LEAST))
        self.table = self.add_weight(
            name="table",
            shape=table.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(table),
            trainable=False,
        )

    def call(self, inputs, training=None):
        code = 0
        for position in range(self.data_shape[0]):
            code = code * (self.vocabulary_size + 1) + inputs["tokens"][:, position]
        return ops.take(self.table, code, axis=0)  # [B, N, V]


class SumOverSequences(Denoiser):
    """The posterior of an enumerable distribution where each token value has its own schedule.

    Args:
        joint: float array `[V] * N`, summing to 1.
        log_masked: see the head of this file.
    """

    def __init__(self, joint: np.ndarray, log_masked):
        values, count = joint.shape[0], joint.ndim
        super().__init__(values, count, log_masked)
        possible = np.argwhere(joint > 0)
        self.sequences = possible.astype("int32")  # [S, N]
        self.log_prior = np.log(joint[tuple(possible.T)]).astype("float32")  # [S]
        self.one_hot = np.eye(values, dtype="float32")[possible]  # [S, N, V]

    def call(self, inputs, training=None):
        zt, values = inputs["tokens"], self.vocabulary_size  # [B, N]
        masked = ops.equal(zt, values)
        sequences, log_prior, one_hot = map(
            ops.convert_to_tensor, (self.sequences, self.log_prior, self.one_hot)
        )
        agrees = ops.all(ops.expand_dims(masked, 1) | ops.equal(zt[:, None], sequences), axis=-1)
        # What the masks tell of each sequence: the sum over masked positions.
        told = ops.einsum("bn,snv->bsv", ops.cast(masked, "float32"), one_hot)
        told = ops.einsum("bsv,bv->bs", told, self.masked_at(inputs["time"]))
        log_p = ops.where(agrees, log_prior + told, -1e9)  # [B, S]
        mu = ops.einsum("bs,snv->bnv", ops.softmax(log_p, axis=-1), one_hot)
        possible = ops.any(agrees, axis=-1)[:, None, None]
        mu = ops.where(possible, mu, 1.0 / values)
        return _log(_with_revealed(mu, zt))


class Messages(Denoiser):
    """The conditionals of a hidden Markov chain, by messages from both ends.

    One loop over the positions serves both directions, so that the program does not grow with the
    length. (Its products are as exact as the backend's; GPUs that round the factors of float32
    products give some three digits.)

    Args:
        matrix: float array `[S, S]`, transition probabilities of the hidden states.
        initial: float array `[S]`, of the first hidden state.
        emission: float array `[S, V]`, the tokens' probabilities in each hidden state.
        length: int, `N`, at least 2.
        log_masked: see the head of this file; `None` where masks tell nothing of the values.
    """

    def __init__(self, matrix, initial, emission, length: int, log_masked=None):
        super().__init__(emission.shape[1], length, log_masked)
        matrices = np.stack([matrix, np.transpose(matrix)]).astype("float32")  # [2, S, S]
        self.initial = np.asarray(initial, "float32")
        self.emission = np.asarray(emission, "float32")
        # What each token tells of the hidden state under it; the mask tells nothing.
        nothing = np.ones((1, len(initial)), "float32")
        self.evidence = np.concatenate([self.emission.T, nothing])  # [V + 1, S]

        def onward(message, seen):
            message = _normal(ops.matmul(message * seen, ops.convert_to_tensor(matrices)))
            return message, message

        self.onward = onward  # one function for all calls: JAX compiles a loop for each anew

    def call(self, inputs, training=None):
        zt, values = inputs["tokens"], self.vocabulary_size
        initial, emission, evidence = map(
            ops.convert_to_tensor, (self.initial, self.emission, self.evidence)
        )
        seen = ops.take(evidence, ops.transpose(zt), axis=0)  # [N, B, S]
        if self.log_masked is not None:
            value_masked = ops.exp(self.masked_at(inputs["time"]))  # [B, V]
            value_masked = value_masked / ops.max(value_masked, axis=-1, keepdims=True)
            masked = ops.expand_dims(ops.equal(ops.transpose(zt), values), -1)
            seen = ops.where(masked, ops.matmul(value_masked, ops.transpose(emission)), seen)
        both = ops.stack([seen[:-1], ops.flip(seen, axis=0)[:-1]], axis=1)  # [N - 1, 2, B, S]
        start = ops.stack([ops.ones_like(seen[0]) * initial, ops.ones_like(seen[0])])
        _, messages = ops.scan(self.onward, start, both)
        messages = ops.concatenate([start[None], messages])  # [N, 2, B, S]
        hidden = messages[:, 0] * ops.flip(messages[:, 1], axis=0)  # without the position's own
        mu = ops.transpose(ops.matmul(_normal(hidden), emission), (1, 0, 2))  # [B, N, V]
        if self.log_masked is not None:
            mu = mu * ops.expand_dims(value_masked, 1)
        return _log(_with_revealed(_normal(mu), zt))


def _normal(weights):
    """Divided by their sum over the last axis; uniform where that is 0."""
    total = ops.sum(weights, axis=-1, keepdims=True)
    uniform = 1.0 / weights.shape[-1]
    return ops.where(total > 0.0, weights / ops.where(total > 0.0, total, 1.0), uniform)


def _with_revealed(mu, zt):
    """The conditionals, with certainty where `zt` is not masked."""
    values, tokens = mu.shape[-1], ops.expand_dims(zt, -1)
    revealed = ops.cast(ops.equal(tokens, ops.arange(values, dtype="int32")), "float32")
    return ops.where(ops.equal(tokens, values), mu, revealed)


def _log(probabilities):
    return ops.log(ops.maximum(probabilities, _LEAST))
