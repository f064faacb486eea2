"""Sampling by confidence and stability: what the network is sure of, and stays sure of."""

import dataclasses
from typing import Any, NamedTuple

import keras
from keras import ops

from md4keras.checks import Interval, check_number, check_whole
from md4keras.samplers.adaptive import Adaptive, with_the_surest
from md4keras.samplers.confidence import RULES, without_rounding


class Stability(NamedTuple):
    """What `Klass` remembers of the network calls before.

    Attributes:
        calls: float32 tensor `[B, *data_shape]`, for how many calls in a row each position's
            distribution has hardly changed.
        mu: float32 tensor `[B, *data_shape, V]`, the last distribution; at first 0.

    Example:

    >>> first = md4keras.samplers.Klass().first_memory(np.array([[4, 4, 1]]), vocabulary_size=4)
    >>> type(first).__name__, tuple(first.calls.shape), tuple(first.mu.shape)
    ('Stability', (1, 3), (1, 3, 4))
    """

    calls: Any
    mu: Any


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Klass(Adaptive):
    """KLASS: reveals the positions of which the network is sure, and stays sure.

    Sure: the likeliest token has more than `threshold`. Stable: in each of the last `history` calls
    `KL(mu || mu of the call before)` was below `divergence`. Where no position is both, as in the
    first `history` calls, the surest one is revealed (of equal ones the first). The choice depends
    on the calls before, so there is no exact likelihood of what is drawn. What is remembered takes
    the memory of the logits.

    Reference: Kim et al. 2025, *KLASS: KL-Guided Fast Inference in Masked Diffusion Models* (arXiv
    2511.05664), Section 4.

    Args:
        filters: see `Sampler`.
        threshold: float in `[0, 1]`, of the model's own probability, before temperature and
            filters. With as many steps as positions 1 reveals one at a time.
        divergence: float, above 0, nats.
        history: int, at least 1.

    Example:

    >>> *_, last = model.sample_steps(1, sampler=md4keras.samplers.Klass(threshold=1.0))
    >>> last.calls  # one at a time
    8
    """

    by_state = False
    _mend = "Take 'threshold', which goes by the state alone."

    threshold: float = 0.9
    divergence: float = 0.01
    history: int = 2

    def __post_init__(self):
        super().__post_init__()
        mend = "0.9 is the published value."
        check_number("threshold", self.threshold, Interval(0, 1), mend)
        mend = "0.01 nats is the published value."
        check_number("divergence", self.divergence, Interval(with_low=False), mend)
        check_whole("history", self.history, mend="2 is the published value.")

    def first_memory(self, z, vocabulary_size):
        calls = ops.zeros_like(z, dtype="float32")
        values = ops.ones((vocabulary_size,), dtype="float32")
        return Stability(calls, ops.expand_dims(calls, -1) * values)

    def step(self, logits, zt, s, t, schedule, noise, memory):
        before, logits = memory.remembered, ops.cast(logits, "float32")
        log_mu = ops.log_softmax(logits, axis=-1)
        mu = ops.exp(log_mu)
        ratio = ops.maximum(log_mu, -1e30) - ops.log(ops.maximum(before.mu, 1e-30))
        stable = ops.sum(mu * ratio, axis=-1) < self.divergence
        stable = stable & (ops.max(before.mu, axis=-1) > 0.0)  # there was a call before
        calls = ops.where(stable, before.calls + 1.0, 0.0)
        sure = (ops.max(mu, axis=-1) > self.threshold) & (calls >= self.history)
        score = without_rounding(RULES["probability"](logits))
        revealed = with_the_surest(sure, score, ops.equal(zt, logits.shape[-1]), s)
        return ops.where(revealed, self.draw(logits, noise), zt), Stability(calls, mu)
