"""Sampling by a threshold: in one step all tokens of which the network is sure enough."""

import dataclasses

import keras
from keras import ops

from md4keras.checks import Interval, check_number
from md4keras.samplers.adaptive import Adaptive, with_the_surest
from md4keras.samplers.confidence import RULES, without_rounding


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Threshold(Adaptive):
    """Reveals the positions whose likeliest token has more than a probability; at least one.

    The one is that of the highest probability (of equal ones the first). The run ends when nothing
    is masked, so easy texts take few network calls. `num_steps` is the most that there can be: the
    last of them reveals all that is left. With as many steps as positions a threshold of 1 reveals
    one at a time; 0 reveals all at once. Tokens are drawn from `mu`; `temperature=0` takes the
    likeliest. The choice depends on the state alone, so `model.score(x, sampler=...)` is the
    likelihood of what is drawn.

    Reference: Wu et al. 2025, *Fast-dLLM* (arXiv 2505.22618), Section 3.3.

    Args:
        filters: see `Sampler`.
        threshold: float in `[0, 1]`, of the model's own probability, before temperature
            and filters.

    Example:

    >>> zt = np.array([[4, 4, 4, 1]], "int32")  # 4 is the mask
    >>> logits = np.zeros((1, 4, 4), "float32")
    >>> logits[0, :3, 2] = [9.0, 1.0, 8.0]
    >>> mu = Threshold(threshold=0.8).step_probabilities(logits, zt, 0.5, 1.0, schedule=None)
    >>> print(keras.ops.convert_to_numpy(mu)[0, :, 4])  # where nothing is drawn yet
    [0. 1. 0. 0.]
    """

    threshold: float = 0.9

    def __post_init__(self):
        super().__post_init__()
        mend = "0.9 is the published value."
        check_number("threshold", self.threshold, Interval(0, 1), mend)

    def chosen(self, logits, zt, s, t, schedule, uniforms, given):
        masked = ops.equal(zt, logits.shape[-1])
        logits = ops.cast(logits, "float32")
        sure = ops.max(ops.softmax(logits, axis=-1), axis=-1) > self.threshold
        score = without_rounding(RULES["probability"](logits))
        return with_the_surest(sure, score, masked, s)
