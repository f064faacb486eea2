"""Samplers that reveal as many positions in a step as they are sure of, at least one."""

from keras import ops

from md4keras.forward_process import expand_like
from md4keras.samplers.ordered import Ordered


class Adaptive(Ordered):
    """A run ends when nothing is masked, so easy examples take few network calls.

    `num_steps` is the most that there can be: the last of them reveals all that is left. Times and
    schedules tell the network where it is; the sampler does not go by them.

    Example:

    >>> *_, last = model.sample_steps(1, sampler=md4keras.samplers.EntropyBound(gamma=1e9))
    >>> last.calls  # all at once
    1
    """

    adaptive = True

    def most_calls(self, left, num_steps, fractions=None):
        return min(num_steps, int(left.max()))


def with_the_surest(sure, score, masked, s):
    """Masked positions that are sure, and of each row the one of the highest score.

    Args:
        sure: bool tensor `[B, *data_shape]`.
        score: float32 tensor like it; of equal scores the first position is the one.
        masked: bool tensor like it.
        s: float scalar or `[B]`, the time to reach; at 0 all that is masked is revealed.

    Returns:
        bool tensor `[B, *data_shape]`.
    """
    shape = ops.shape(score)
    flat = ops.reshape(ops.where(masked, score, -float("inf")), (shape[0], -1))  # [B, N]
    place = ops.arange(ops.shape(flat)[-1], dtype="int32")
    best = ops.equal(place, ops.cast(ops.argmax(flat, axis=-1, keepdims=True), "int32"))
    is_last = expand_like(ops.convert_to_tensor(s, dtype="float32"), score) <= 0.0
    return masked & (sure | ops.reshape(best, shape) | is_last)
