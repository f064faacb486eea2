"""The temperature: the first filter of a sampler and, at 0, its last one too."""

import math

from keras import ops

from md4keras.samplers.drawing import REMOVED
from md4keras.samplers.expected import with_filters


class Temperature:
    """Divides logits, before all filters; 0 leaves, behind them, the likeliest value alone.

    Args:
        value: float32 scalar, 0 or positive.

    Attributes:
        is_used: bool, whether logits were divided.

    Example:

    >>> logits = np.array([[0.0, 2.0, 1.0]], "float32")
    >>> print(keras.ops.convert_to_numpy(Temperature(0.5)(logits)))  # less the largest
    [[-4.  0. -2.]]
    >>> print(keras.ops.convert_to_numpy(keras.ops.softmax(Temperature(0.0)(logits))))
    [[0. 1. 0.]]
    """

    def __init__(self, value):
        self.value = ops.convert_to_tensor(value, dtype="float32")
        self.is_greedy = ops.equal(self.value, 0.0)
        self.is_used = False

    def divide(self, logits):
        """Logits `[..., V]` over the temperature, the largest of them 0; at 0 and 1 as they are.

        (However large they become, none that is possible falls below what filters have removed.)
        Where the network gave NaN or infinity all are NaN, so that no filter hides it.
        """
        self.is_used = True
        logits = ops.cast(logits, "float32")
        divisor = ops.where(self.is_greedy, 1.0, self.value)
        largest = ops.max(logits, axis=-1, keepdims=True)
        shift = ops.where(ops.equal(divisor, 1.0), 0.0, largest)
        are_numbers = ops.all(ops.less(logits, math.inf), axis=-1, keepdims=True)
        return ops.where(are_numbers, (logits - shift) / divisor, math.nan)

    def choose(self, logits):
        """At 0 logits `[..., V]` with all removed but the largest, of several the first."""
        best = ops.expand_dims(ops.cast(ops.argmax(logits, axis=-1), "int32"), -1)
        others = ops.not_equal(ops.arange(logits.shape[-1], dtype="int32"), best)
        return logits + ops.where(self.is_greedy & others, 2.0 * REMOVED, 0.0)

    def __call__(self, logits):
        return self.choose(self.divide(logits))

    def of(self, sampler):
        """The sampler that has the temperature among its filters."""
        return with_filters(sampler, (self.divide, *sampler.filters, self.choose))


def at_temperature(value, sampler, act, logits):
    """`act(sampler, logits)`, where a sampler draws from `logits`, at a temperature.

    What it draws from are its filters' logits (`Sampler.filter`), and the temperature is one of
    them: all else that it does goes by the logits themselves. One that does without filters draws
    from the logits that it gets; there is nothing else of it to go by, so those are divided.
    """
    temperature = Temperature(value)
    found = act(temperature.of(sampler), logits)
    return found if temperature.is_used else act(sampler, temperature(logits))
