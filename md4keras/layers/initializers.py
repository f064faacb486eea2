"""Starts of weights: as Keras draws them, or zeros where a file has the values."""

import contextlib
import threading
from collections.abc import Iterator

import keras
from keras import ops

_thread = threading.local()


@contextlib.contextmanager
def left_out() -> Iterator[None]:
    """Within it, in this thread, weights that would be drawn start as zeros.

    For models that are loaded: JAX compiles a program for each shape that it draws, which took
    most of the time.

    Example:

    >>> with left_out():
    ...     print(np.asarray(Normal()((2, 2))).tolist())
    [[0.0, 0.0], [0.0, 0.0]]
    """
    before = _is_left_out()
    _thread.is_left_out = True
    try:
        yield
    finally:
        _thread.is_left_out = before


def _is_left_out() -> bool:
    return getattr(_thread, "is_left_out", False)


class _Drawn(keras.initializers.Initializer):
    """In front of an initializer that draws: leaves it out where nobody would see what it draws."""

    def __call__(self, shape, dtype=None):
        if _is_left_out():
            return ops.zeros(shape, dtype or keras.config.floatx())
        return super().__call__(shape, dtype)


@keras.saving.register_keras_serializable(package="md4keras")
class Normal(_Drawn, keras.initializers.RandomNormal):
    """`keras.initializers.RandomNormal`, left out where weights are loaded."""


@keras.saving.register_keras_serializable(package="md4keras")
class Scaled(_Drawn, keras.initializers.VarianceScaling):
    """`keras.initializers.VarianceScaling`, left out where weights are loaded.

    As it is, that of LeCun: truncated normal, with the variance `1 / fan_in`.
    """
