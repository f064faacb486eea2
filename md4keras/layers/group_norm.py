"""Group normalisation over channels last, plain or adapted by the conditioning vector."""

import keras
from keras import ops

from md4keras.layers.validation import check_size

GROUPS = 32
EPSILON = 1e-6


def group_norm(dtype, name: str, affine: bool = True):
    """Group normalisation with 32 groups and epsilon 1e-6, with or without scale and bias."""
    return keras.layers.GroupNormalization(
        GROUPS, epsilon=EPSILON, center=affine, scale=affine, dtype=dtype, name=name
    )


def check_width(name: str, width, min_group_size: int = 2) -> None:
    """Raises a `ValueError` unless 32 groups of `min_group_size` channels or more fit exactly.

    Where the conditioning is added before a norm, a group needs two channels.
    """
    check_size(name, width)
    if width % GROUPS or width < min_group_size * GROUPS:
        reason = (
            " (with one channel a group, the norm would cancel the conditioning that is added "
            "before it)"
            if min_group_size > 1
            else ""
        )
        raise ValueError(
            f"`{name}` does not suit a group normalisation with {GROUPS} groups. Expected a "
            f"multiple of {GROUPS}, at least {min_group_size * GROUPS}{reason}. Received: "
            f"{name}={width}. Use {max(min_group_size, -(-width // GROUPS)) * GROUPS}."
        )


@keras.saving.register_keras_serializable(package="md4keras")
class AdaptiveGroupNorm(keras.layers.Layer):
    """`GroupNorm(x) (1 + scale) + shift`, with scale and shift from the conditioning vector.

    The projection of the conditioning is zero at the start.

    Call arguments:
        x: float `[B, H, W, channels]`, the channels a multiple of 32.
        conditioning: float `[B, any]`.

    Returns:
        tensor `[B, H, W, channels]`.

    Reference: Perez et al. 2018, *FiLM* (arXiv 1709.07871); Dhariwal and Nichol 2021 (arXiv
    2105.05233), Section 3.1.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = group_norm(self.dtype_policy, "norm", affine=False)

    def build(self, x_shape, conditioning_shape):
        self.norm.build(x_shape)
        self.projection = keras.layers.Dense(
            2 * x_shape[-1],
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
            name="projection",
        )
        self.projection.build(conditioning_shape)

    def call(self, x, conditioning):
        vectors = self.projection(conditioning)[:, None, None, :]  # [B, 1, 1, 2 channels]
        scale, shift = ops.split(vectors, 2, axis=-1)
        return self.norm(x) * (1.0 + scale) + shift

    def compute_output_shape(self, x_shape, conditioning_shape):
        return x_shape
