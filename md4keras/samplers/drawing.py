"""Drawing tokens from logits after temperature and filters. All samplers draw here."""

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from md4keras.samplers.categorical import sample_categorical

REMOVED = -1e7  # the logit of a value that is cut; its probability is exactly 0 in float32
NOTHING = -1  # in place of a token, where there is none to draw


class Noise(NamedTuple):
    """What a step leaves to chance; a pair.

    Attributes:
        when: float32 tensor `[B, *data_shape]`, uniform in `[0, 1)`: which positions change.
        what: float32 tensor like it: which tokens they become.

    Example:

    >>> when, what = md4keras.samplers.Noise(np.zeros((1, 2)), np.ones((1, 2)))
    >>> what.tolist()
    [[1.0, 1.0]]
    """

    when: Any
    what: Any


def draw(logits, uniforms):
    """Tokens from `softmax(logits)`.

    Args:
        logits: float tensor `[..., V]`, after temperature and filters.
        uniforms: float32 tensor `[...]` in `[0, 1)`.

    Returns:
        int32 tensor `[...]`; -1 where there is nothing to draw (`has_something`).

    Example:

    >>> logits = np.log([[0.1, 0.6, 0.3]]).astype("float32")
    >>> tokens = draw(logits, np.array([0.95], "float32"))
    >>> keras.ops.convert_to_numpy(tokens).tolist()
    [2]
    """
    return ops.where(has_something(logits), sample_categorical(logits, uniforms), NOTHING)


def likeliest(logits):
    """The likeliest tokens, of several the first; else as `draw`."""
    tokens = ops.cast(ops.argmax(logits, axis=-1), "int32")
    return ops.where(has_something(logits), tokens, NOTHING)


def has_something(logits):
    """Where one of logits `[..., V]` is not removed, and none is infinite or NaN: bool `[...]`."""
    above = ops.any(ops.greater(logits, REMOVED), axis=-1)
    return above & ops.all(ops.less(logits, math.inf), axis=-1)


def check_drawn(tokens: np.ndarray, filters) -> None:
    """Raises a `ValueError` where there was nothing to draw.

    Args:
        tokens: int array `[B, *data_shape]`, as drawn.
        filters: a sampler's, which the message names.
    """
    if tokens.min(initial=0) >= 0:
        return
    row, *place = (int(each) for each in np.argwhere(tokens < 0)[0])
    raise ValueError(
        f"The filters left nothing to draw at position {tuple(place)} of sample {row}, or the "
        f"network gave NaN. Expected that one logit at least is above {REMOVED:g}, and none is "
        f"infinite or NaN. Received: filters={filters!r}. Give filters that keep a token "
        "everywhere, such as `TopP(0.9)`; without filters, look at the network's weights."
    )
