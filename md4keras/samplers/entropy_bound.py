"""Sampling by an entropy bound: in one step all tokens that hardly depend on one another."""

import dataclasses

import keras
from keras import ops

from md4keras.checks import Interval, check_number
from md4keras.samplers.adaptive import Adaptive, with_the_surest
from md4keras.samplers.confidence import RULES, without_rounding


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class EntropyBound(Adaptive):
    """Reveals the most positions of lowest entropy for which `sum H - max H <= gamma`.

    What is lost by drawing positions independently, their joint mutual information, is at most
    `sum H - max H`; so a step loses at most `gamma` nats if the network is exact. At least one
    position is revealed, of equal ones the first. With `gamma=0` and as many steps as positions,
    one at a time (and with it what is certain). Each row has its own set. The choice depends on the
    state alone, so `model.score(x, sampler=...)` is the likelihood of what is drawn.

    Reference: Ben-Hamu et al. 2025, *Accelerated Sampling from Masked Diffusion Models via Entropy
    Bounded Unmasking* (arXiv 2505.24857), Eq. 6 and Algorithm 1.

    Args:
        filters: see `Sampler`.
        gamma: float, at least 0, nats. Entropies are those of the model's own distribution, before
            temperature and filters.

    Example:

    >>> zt = np.array([[2, 2, 2, 1]], "int32")  # 2 is the mask
    >>> logits = np.log([[[0.99, 0.01], [0.5, 0.5], [0.01, 0.99], [0.5, 0.5]]]).astype("float32")
    >>> mu = EntropyBound(gamma=0.1).step_probabilities(logits, zt, 0.5, 1.0, schedule=None)
    >>> print(keras.ops.convert_to_numpy(mu)[0, :, 2])  # where nothing is drawn yet
    [0. 1. 0. 0.]
    """

    gamma: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_number("gamma", self.gamma, Interval(), "0.1 nats is a good number.")

    def chosen(self, logits, zt, s, t, schedule, uniforms, given):
        masked = ops.equal(zt, logits.shape[-1])
        score = RULES["entropy"](ops.cast(logits, "float32"))  # -H
        rounded = without_rounding(score)
        shape = ops.shape(zt)
        order = ops.argsort(  # the surest first, what is not masked last
            ops.reshape(ops.where(masked, -rounded, float("inf")), (shape[0], -1)), axis=-1
        )  # [B, N]
        entropy = ops.reshape(ops.where(masked, -score, 0.0), (shape[0], -1))
        ordered = ops.take_along_axis(entropy, order, axis=-1)
        # The largest of a prefix is its last one: what counts are those before it. (Nearly: the
        # order is that of rounded entropies, so another may be larger, by less than 2**-12.)
        bounded = ops.cumsum(ordered, axis=-1) - ordered <= self.gamma
        sure = ops.take_along_axis(bounded, ops.argsort(order, axis=-1), axis=-1)
        return with_the_surest(ops.reshape(sure, shape), rounded, masked, s)
