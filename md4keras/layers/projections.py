"""Dense layers and 3x3 convolutions, made and applied as everywhere in the networks."""

import keras
from keras import ops

from md4keras.layers.convolution import Conv2D
from md4keras.layers.initializers import Scaled


def dense(units: int, dtype, name: str, use_bias: bool = True, kernel_initializer=None):
    """Dense layer over the last axis."""
    start = kernel_initializer or Scaled()
    return keras.layers.Dense(
        units, use_bias=use_bias, kernel_initializer=start, dtype=dtype, name=name
    )


def conv3x3(filters: int, dtype, name: str, kernel_initializer=None):
    """3x3 convolution of the same size, over channels last."""
    options = {"kernel_initializer": kernel_initializer or Scaled(), "dtype": dtype, "name": name}
    return Conv2D(filters, 3, 1, "same", "channels_last", **options)


def product(layer, x, *sizes: int):
    """A dense layer on `x` `[B, L, width]`, as a matrix product of two dimensions.

    XLA transposes what has more for the backward pass. With `sizes` the last axis of the result
    is split into them.
    """
    flat = _applied(layer, ops.reshape(x, (-1, x.shape[-1])))  # [B L, units]
    return ops.reshape(flat, (-1, ops.shape(x)[1], *(sizes or flat.shape[-1:])))


def _applied(layer, x):
    """A dense layer on `x`; adapters of LoRA work on `x` themselves.

    Keras adds their product to the kernel instead, an array of its size that would be kept for the
    backward pass, and whose gradient is as large.
    """
    if not layer.lora_enabled or layer.quantization_mode:
        return layer(x)
    x, kernel, a, b = (
        ops.cast(each, layer.compute_dtype)
        for each in (x, layer._kernel, layer.lora_kernel_a, layer.lora_kernel_b)
    )
    y = ops.matmul(x, kernel)
    if layer.bias is not None:
        y = y + ops.cast(layer.bias, layer.compute_dtype)
    return y + layer.lora_alpha / layer.lora_rank * ops.matmul(ops.matmul(x, a), b)
