"""Drawing tokens: the temperature, then the filters, then chance. All samplers draw here."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from md4keras.samplers.categorical import sample_categorical

REMOVED = -1e7  # the logit of a value that is cut; its probability is exactly 0 in float32
NOTHING = -1  # in place of a token, where the filters left none


class Noise(NamedTuple):
    """What a step leaves to chance.

    Attributes:
        when: float32 tensor `[B, *data_shape]`, uniform in `[0, 1)`: which positions change.
        what: float32 tensor like it: which tokens they become.
        temperature: float32 scalar that divides the logits of what is drawn; 0 takes the likeliest
            tokens.

    Example:

    >>> md4keras.samplers.Noise(np.zeros((1, 2)), np.zeros((1, 2))).temperature
    1.0
    """

    when: Any
    what: Any
    temperature: Any = 1.0


def draw(logits, uniforms, temperature=1.0, filters: Callable = lambda logits: logits):
    """Tokens from `softmax(filters(logits / temperature))`.

    Args:
        logits: float tensor `[..., V]`, the model's own.
        uniforms: float32 tensor `[...]` in `[0, 1)`.
        temperature: float32 scalar, 0 or positive. 0 takes the likeliest of what the filters leave
            of the logits themselves, of several the first.
        filters: function of logits that returns logits.

    Returns:
        int32 tensor `[...]`; -1 where the filters left nothing, see `check_drawn`.

    Example:

    >>> logits = np.log([[0.1, 0.6, 0.3]]).astype("float32")
    >>> tokens = draw(logits, np.array([0.95], "float32"), temperature=0.0)
    >>> keras.ops.convert_to_numpy(tokens).tolist()
    [1]
    """
    temperature = ops.convert_to_tensor(temperature, dtype="float32")
    is_greedy = ops.equal(temperature, 0.0)
    logits = ops.cast(logits, "float32") / ops.where(is_greedy, 1.0, temperature)
    filtered = filters(logits)
    likeliest = ops.cast(ops.argmax(filtered, axis=-1), "int32")
    tokens = ops.where(is_greedy, likeliest, sample_categorical(filtered, uniforms))
    if filtered is logits:
        return tokens
    return ops.where(is_emptied(logits, filtered), NOTHING, tokens)


def is_emptied(logits, filtered):
    """Where filters left nothing to draw of logits `[..., V]` that had something: bool `[...]`."""

    def has_something(logits):  # not so with NaN
        above = ops.any(ops.greater(logits, REMOVED), axis=-1)
        return above & ops.all(ops.less(logits, math.inf), axis=-1)

    return has_something(logits) & ~has_something(filtered)


def check_drawn(tokens: np.ndarray, filters) -> None:
    """Raises a `ValueError` where the filters left nothing to draw.

    Args:
        tokens: int array `[B, *data_shape]`, as drawn.
        filters: a sampler's, which the message names.
    """
    if tokens.min(initial=0) >= 0:
        return
    row, *place = (int(each) for each in np.argwhere(tokens < 0)[0])
    raise ValueError(
        f"The filters left nothing to draw at position {tuple(place)} of sample {row}. Expected "
        f"that one logit at least is above {REMOVED:g}, and none is infinite or NaN. Received: "
        f"filters={filters!r}. Give filters that keep a token everywhere, such as `TopP(0.9)`."
    )
