"""Dropout whose random state has a fixed place in the model."""

import contextlib
import contextvars

import keras
from keras import ops

from md4keras import backend
from md4keras.checks import RATE, check_number
from md4keras.layers.base import Layer, register

_given_seeds = contextvars.ContextVar("given_seeds")  # {id of the layer: seed}


@contextlib.contextmanager
def given_seeds(dropouts, seeds):
    """Within it `Dropout` layers draw with these seeds, and leave their random states alone."""
    given = {id(layer): seed for layer, seed in zip(dropouts, seeds, strict=True)}
    token = _given_seeds.set({**_given_seeds.get({}), **given})
    try:
        yield
    finally:
        _given_seeds.reset(token)


@register
class Dropout(Layer):
    """Sets features to zero with probability `rate` in training, and scales up the others.

    Unlike those of `keras.layers.Dropout`, the variable of the random state has a path that does
    not depend on how many layers were made before, so checkpoints can refer to it.

    Args:
        rate: float in `[0, 1)`.
        shared_axis: int, an axis along which all entries share their fate; `None` for
            independent draws. Axis 1 drops features of the whole sequence.
        seed: int or `None`.

    Call arguments:
        x: float tensor of any shape.
        training: bool.

    Returns:
        tensor like `x`.

    Example:

    >>> dropout = md4keras.layers.Dropout(0.5, shared_axis=1, seed=0)
    >>> y = keras.ops.convert_to_numpy(dropout(np.ones((1, 3, 4)), training=True))
    >>> bool((y == y[:, :1]).all()), set(np.unique(y).tolist()) <= {0.0, 2.0}
    (True, True)
    """

    def __init__(self, rate: float, shared_axis: int | None = None, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = float(check_number("rate", rate, RATE))
        self.shared_axis = shared_axis
        self.seed = seed

    def build(self, x_shape):
        # Made here and not in the constructor, because here the layer's path is known.
        if self.rate > 0:
            self.seed_generator = keras.random.SeedGenerator(self.seed, name="random")

    def call(self, x, training=None):
        if not training or self.rate == 0:
            return x
        shape = list(ops.shape(x))
        if self.shared_axis is not None:
            shape[self.shared_axis] = 1
        seed = _given_seeds.get({}).get(id(self))
        if seed is None:
            seed = self.seed_generator.next()
        kept = backend.keep_mask(seed, self.rate, tuple(shape))
        return ops.where(kept, x / (1.0 - self.rate), 0.0)
