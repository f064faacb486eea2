"""Dense layers and 3x3 convolutions, made and applied as everywhere in the networks."""

import keras
from keras import ops


def dense(units: int, dtype, name: str, use_bias: bool = True, kernel_initializer="lecun_normal"):
    """Dense layer over the last axis."""
    return keras.layers.Dense(
        units, use_bias=use_bias, kernel_initializer=kernel_initializer, dtype=dtype, name=name
    )


def conv3x3(filters: int, dtype, name: str, kernel_initializer="lecun_normal"):
    """3x3 convolution of the same size, over channels last."""
    options = {"kernel_initializer": kernel_initializer, "dtype": dtype, "name": name}
    return keras.layers.Conv2D(filters, 3, 1, "same", "channels_last", **options)


def product(layer, x, *sizes: int):
    """A dense layer on `x` `[B, L, width]`, as a matrix product of two dimensions.

    XLA transposes what has more for the backward pass. With `sizes` the last axis of the result
    is split into them.
    """
    flat = layer(ops.reshape(x, (-1, x.shape[-1])))  # [B L, units]
    return ops.reshape(flat, (-1, ops.shape(x)[1], *(sizes or flat.shape[-1:])))
