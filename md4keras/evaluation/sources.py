"""Sources whose every probability is known: what samplers and objectives are judged by.

Each has `vocabulary_size`, `data_shape`, `draw`, `log_probability`, `entropy`, `neighbours`, and
`denoiser`, which stands where a model takes its network: with it, what is wrong in samples is the
sampler's doing, and what is wrong in a loss is the objective's.
"""

from typing import NamedTuple

import numpy as np

from md4keras.checks import as_array, check_integers, check_whole
from md4keras.evaluation.denoisers import Messages, SumOverSequences, TableOfConditionals

SOURCE_MEMBERS = ("draw", "log_probability", "entropy", "neighbours", "denoiser")
SOURCE_MEMBERS += ("vocabulary_size", "data_shape")
"""What is asked of a source, also of one that is not derived from `Source`."""

_MOST_CONDITIONALS = 2**24
_MOST_ENUMERATED = 2**16


class Entropy(NamedTuple):
    """The mean of `-log p` under the source itself.

    Attributes:
        nats: float.
        error: float, its standard error; 0 where it was computed and not estimated.

    Example:

    >>> md4keras.evaluation.oracle.Markov.random(states=4, length=8).entropy().error
    0.0
    """

    nats: float
    error: float


class Source:
    """A distribution over sequences of `N` tokens.

    Attributes:
        vocabulary_size: int, `V`.
        data_shape: `(N,)`.

    Example:

    >>> source = md4keras.evaluation.oracle.Markov.random(states=4, length=8)
    >>> source.vocabulary_size, source.data_shape, source.neighbours().shape
    (4, (8,), (4, 4))
    """

    def __init__(self, vocabulary_size: int, length: int):
        self.vocabulary_size, self.data_shape = int(vocabulary_size), (int(length),)

    def draw(self, count: int, seed: int = 0) -> np.ndarray:
        """Sequences of the source, int32 `[count, N]`; the same seed gives the same ones."""
        raise NotImplementedError

    def log_probability(self, x) -> np.ndarray:
        """`log p(x)` of int sequences `[n, N]`, exactly: nats, float64 `[n]`; `-inf` for never."""
        raise NotImplementedError

    def entropy(self) -> Entropy:
        """Of a sequence, in nats."""
        raise NotImplementedError

    def neighbours(self) -> np.ndarray:
        """The probability of each pair of tokens side by side, all places alike: `[V, V]`."""
        raise NotImplementedError

    def denoiser(self, log_masked=None):
        """A layer that gives `log p(x_i | zt)` exactly, to stand where a network does.

        Args:
            log_masked: a function from times `[B]` to `log(1 - alpha_v(t))`, `[B, V]`, where each
                token value has its own schedule (`GenMD4`: `model.schedule.log_masked`), since
                what is masked then tells of its value; else `None`.

        Returns:
            A Keras layer from `{"tokens": int [B, N], "time": float [B]}` to float32 `[B, N, V]`;
            a time is wanted with `log_masked` alone.
        """
        raise NotImplementedError

    def _checked(self, x) -> np.ndarray:
        mend = "Hand over sequences of this source, without masks."
        return check_integers("x", x, ("n", *self.data_shape), self.vocabulary_size, mend)


class Enumerable(Source):
    """Few enough sequences for a table of their probabilities.

    Args:
        joint: float array `[V] * N` that sums to 1, the probability of each sequence.

    Example:

    >>> twice = Enumerable(np.eye(2) / 2)  # a fair coin, told twice
    >>> print(f"{twice.entropy().nats / np.log(2):.3f} bits")
    1.000 bits
    """

    def __init__(self, joint):
        joint = as_array("joint", joint)
        joint = _distributions("joint", joint.reshape(1, -1)).reshape(joint.shape)
        if joint.ndim < 2 or len(set(joint.shape)) > 1:
            raise ValueError(
                "`joint` has an axis for each of two or more tokens. Expected shape [V] * N. "
                f"Received: joint of shape={joint.shape}. Here `joint[a, b]` is that of (a, b)."
            )
        size = (joint.shape[0] + 1) ** joint.ndim * joint.ndim * joint.shape[0]
        if size > _MOST_CONDITIONALS:
            raise ValueError(
                "There are too many conditionals to list. Expected (V + 1)**N * N * V of at most "
                f"{_MOST_CONDITIONALS}. Received: joint of shape={joint.shape}. Use fewer tokens."
            )
        super().__init__(joint.shape[0], joint.ndim)
        self.joint = joint

    @classmethod
    def random(cls, values: int = 3, length: int = 4, seed: int = 0) -> "Enumerable":
        """A random distribution over `values**length` sequences, far from independent."""
        joint = np.random.default_rng(seed).gamma(0.5, size=(values,) * length)
        return cls(joint / joint.sum())

    def draw(self, count: int, seed: int = 0) -> np.ndarray:
        check_whole("count", count)
        codes = np.random.default_rng(seed).choice(self.joint.size, count, p=self.joint.ravel())
        return np.stack(np.unravel_index(codes, self.joint.shape), axis=-1).astype("int32")

    def log_probability(self, x) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self.joint[tuple(self._checked(x).T)])

    def entropy(self) -> Entropy:
        return Entropy(_entropy(self.joint), 0.0)

    def neighbours(self) -> np.ndarray:
        axes = range(self.joint.ndim)
        pairs = [
            self.joint.sum(axis=tuple(axis for axis in axes if axis not in (i, i + 1)))
            for i in axes[:-1]
        ]
        return np.mean(pairs, axis=0)

    def denoiser(self, log_masked=None):
        if log_masked is None:
            return TableOfConditionals(self.joint)
        return SumOverSequences(self.joint, log_masked)


class HiddenMarkov(Source):
    """Tokens that hidden states give out, which follow a stationary Markov chain.

    Args:
        matrix: float array `[S, S]`, `matrix[a, b]` the probability that state `b` follows `a`.
        emission: float array `[S, V]`, the probabilities of tokens in each state.
        length: int, at least 2.

    Example:

    >>> source = md4keras.evaluation.oracle.HiddenMarkov.random(states=2, values=3, length=8)
    >>> x = source.draw(2, seed=1)
    >>> x.shape, source.log_probability(x).shape
    ((2, 8), (2,))
    """

    def __init__(self, matrix, emission, length: int = 32):
        self.matrix = _distributions("matrix", matrix)
        self.emission = _distributions("emission", emission)
        states = len(self.matrix)
        if self.matrix.shape != (states, states) or len(self.emission) != states:
            raise ValueError(
                "Matrices of a chain do not fit. Expected shapes [S, S] and [S, V]. Received: "
                f"matrix of shape={self.matrix.shape}, emission of shape={self.emission.shape}. "
                "Give each state a row in both."
            )
        super().__init__(self.emission.shape[1], check_whole("length", length, 2))
        self.stationary = _stationary(self.matrix)

    @classmethod
    def random(cls, states: int = 4, values: int = 8, length: int = 32, seed: int = 0):
        """A random chain whose states last: five times as long as they would by chance alone."""
        rng = np.random.default_rng(seed)
        matrix = 0.8 * np.eye(states) + 0.2 * _random_rows(rng, states, states)
        return cls(matrix, _random_rows(rng, states, values), length)

    def draw(self, count: int, seed: int = 0) -> np.ndarray:
        check_whole("count", count)
        rng = np.random.default_rng(seed)
        return self._give_out(self._draw_states(count, rng), rng)

    def _draw_states(self, count, rng):
        """Hidden states, int32 `[count, N]`."""
        states = np.zeros((count, *self.data_shape), "int32")
        states[:, 0] = rng.choice(len(self.stationary), count, p=self.stationary)
        for position in range(1, self.data_shape[0]):
            states[:, position] = _draw_rows(self.matrix, states[:, position - 1], rng)
        return states

    def _give_out(self, states, rng):
        return _draw_rows(self.emission, states.ravel(), rng).reshape(states.shape)

    def log_probability(self, x) -> np.ndarray:
        """As `Source.log_probability`, by the forward algorithm."""
        x = self._checked(x)
        message, log_p = np.tile(self.stationary, (len(x), 1)), np.zeros(len(x))  # [n, S], [n]
        with np.errstate(divide="ignore"):
            for tokens in x.T:
                message = message * self.emission[:, tokens].T
                total = message.sum(axis=1)
                log_p += np.log(total)
                message = message / np.where(total > 0, total, 1.0)[:, None] @ self.matrix
        return log_p

    def entropy(self, num_draws: int = 20_000, seed: int = 0) -> Entropy:
        """In nats: exactly where there are at most 65,536 sequences, else estimated.

        Args:
            num_draws: int, at least 2, sequences of an estimate.
            seed: int, of the draws.
        """
        if self.vocabulary_size ** self.data_shape[0] <= _MOST_ENUMERATED:
            every = np.indices((self.vocabulary_size,) * self.data_shape[0])
            log_p = self.log_probability(every.reshape(len(every), -1).T)
            return Entropy(_entropy(np.exp(log_p)), 0.0)
        check_whole("num_draws", num_draws, 2)
        nats = -self.log_probability(self.draw(num_draws, seed))
        return Entropy(float(nats.mean()), float(nats.std(ddof=1) / num_draws**0.5))

    def neighbours(self) -> np.ndarray:
        return self.emission.T @ (self.stationary[:, None] * self.matrix) @ self.emission

    def denoiser(self, log_masked=None):
        parts = self.matrix, self.stationary, self.emission
        return Messages(*parts, self.data_shape[0], log_masked)


class Markov(HiddenMarkov):
    """A stationary Markov chain of tokens.

    Args:
        matrix: float array `[V, V]`, `matrix[a, b]` the probability that token `b` follows `a`.
        length: int, at least 2.

    Example:

    >>> source = Markov([[0.9, 0.1], [0.3, 0.7]], length=5)
    >>> source.stationary.round(6).tolist()
    [0.75, 0.25]
    >>> logits = source.denoiser()({"tokens": np.array([[0, 2, 2, 2, 2]])})
    >>> tuple(logits.shape)
    (1, 5, 2)
    """

    def __init__(self, matrix, length: int = 32):
        super().__init__(matrix, np.eye(len(as_array("matrix", matrix))), length)

    @classmethod
    def random(cls, states: int = 8, length: int = 32, seed: int = 0) -> "Markov":
        """A random chain in which every token can follow every other."""
        return cls(_random_rows(np.random.default_rng(seed), states, states), length)

    def _give_out(self, states, rng):
        return states

    def log_probability(self, x) -> np.ndarray:
        x = self._checked(x)
        with np.errstate(divide="ignore"):
            steps = np.log(self.matrix)[x[:, :-1], x[:, 1:]].sum(axis=1)
            return np.log(self.stationary)[x[:, 0]] + steps

    def entropy(self) -> Entropy:
        """In nats, exactly: that of the first token, and the rate for each further one."""
        pairs = self.neighbours()
        rate = _entropy(pairs) - _entropy(self.stationary)
        return Entropy(_entropy(self.stationary) + (self.data_shape[0] - 1) * rate, 0.0)


def _distributions(name: str, rows) -> np.ndarray:
    """The rows as float64 `[n, m]`, if each is a distribution; else a `ValueError`."""
    rows = as_array(name, rows)
    numbers = np.issubdtype(rows.dtype, np.number) and rows.ndim == 2 and rows.size > 0
    if not numbers or not (rows >= 0).all() or not np.allclose(rows.sum(axis=1), 1.0, atol=1e-6):
        raise ValueError(
            f"`{name}` holds probabilities. Expected numbers of at least 0 that sum to 1 in each "
            f"row. Received: {name} of shape={rows.shape}, {str(rows)[:60]}. Divide by the sums."
        )
    rows = rows.astype("float64")
    return rows / rows.sum(axis=1, keepdims=True)


def _random_rows(rng, count: int, values: int) -> np.ndarray:
    """Uneven distributions, none of whose values is rare beyond `0.02 / values`."""
    return 0.98 * rng.dirichlet(np.full(values, 0.4), size=count) + 0.02 / values


def _stationary(matrix) -> np.ndarray:
    """The one distribution that the transitions leave as it is."""
    eigenvalues, vectors = np.linalg.eig(matrix.T)
    if (np.abs(eigenvalues - 1.0) < 1e-9).sum() != 1:
        raise ValueError(
            "The chain has several stationary distributions. Expected a chain of one piece. "
            f"Received: matrix={str(matrix)[:60]}. Leave out states, or let them lead to others."
        )
    stationary = np.real(vectors[:, np.argmax(np.real(eigenvalues))])
    stationary = np.abs(stationary / stationary.sum())
    return stationary / stationary.sum()


def _draw_rows(rows, chosen, rng) -> np.ndarray:
    """A value from the distribution `rows[c]` for each `c` of `chosen`: int32 `[n]`."""
    uniforms = rng.random((len(chosen), 1))
    drawn = (uniforms > rows.cumsum(axis=1)[chosen]).sum(axis=1)
    return np.minimum(drawn, rows.shape[1] - 1).astype("int32")


def _entropy(probabilities) -> float:
    p = np.asarray(probabilities)[np.asarray(probabilities) > 0]
    return float(-(p * np.log(p)).sum())
