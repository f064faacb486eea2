"""Group normalisation over channels last, plain or adapted by the conditioning vector."""

from keras import ops

from md4keras.checks import check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.projections import dense

GROUPS = 32
EPSILON = 1e-6


def group_normalize(x, scale, shift):
    """Normalises each group of channels of each example, then scales and shifts.

    All of it is one affine map for each example and channel, so that a feature map is read twice
    and written once. The variance is the mean square less the squared mean, as published.
    `x` is `[B, H, W, channels]`; scale and shift are `[B, channels]` or `[channels]`.
    """
    values = ops.cast(x, "float32")
    grouped = (-1, GROUPS, x.shape[-1] // GROUPS)

    def group_mean(values):  # [B, H, W, channels] -> [B, channels], equal within a group
        mean = ops.reshape(ops.mean(values, axis=(1, 2)), grouped)
        mean = ops.broadcast_to(ops.mean(mean, axis=-1, keepdims=True), ops.shape(mean))
        return ops.reshape(mean, (-1, x.shape[-1]))

    mean = group_mean(values)
    variance = ops.maximum(group_mean(ops.square(values)) - ops.square(mean), 0.0)
    factor = ops.rsqrt(variance + EPSILON) * ops.cast(scale, "float32")  # [B, channels]
    offset = ops.cast(shift, "float32") - mean * factor
    return ops.cast(values * factor[:, None, None, :] + offset[:, None, None, :], x.dtype)


def check_width(name: str, width, min_group_size: int = 2) -> None:
    """Raises a `ValueError` unless 32 groups of `min_group_size` channels or more fit exactly.

    Where the conditioning is added before a norm, a group needs two channels: with one, the norm
    would cancel it.
    """
    check_whole(name, width)
    if width % GROUPS or width < min_group_size * GROUPS:
        raise ValueError(
            f"`{name}` does not suit a group normalisation with {GROUPS} groups. Expected a "
            f"multiple of {GROUPS}, at least {min_group_size * GROUPS}. Received: "
            f"{name}={width}. Use {max(min_group_size, -(-width // GROUPS)) * GROUPS}."
        )


@register
class GroupNorm(Layer):
    """Group normalisation over channels last, with 32 groups and epsilon 1e-6.

    Call arguments:
        x: float `[B, H, W, channels]`, the channels a multiple of 32.

    Returns:
        tensor `[B, H, W, channels]`.

    Example:

    >>> x = np.arange(32.0).reshape(1, 1, 1, 32) + np.array([0.0, 1.0]).reshape(1, 2, 1, 1)
    >>> y = md4keras.layers.GroupNorm()(x)  # a group is one channel here, of two pixels
    >>> print(keras.ops.convert_to_numpy(y)[0, :, 0, 0].round(2))
    [-1. 1.]

    Reference: Wu and He 2018, *Group Normalization* (arXiv 1803.08494).
    """

    def build(self, x_shape):
        channels = x_shape[-1:]
        check_width("channels", *channels, min_group_size=1)
        self.gamma = self.add_weight(name="gamma", shape=channels, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=channels, initializer="zeros")

    def call(self, x):
        return group_normalize(x, self.gamma, self.beta)


@register
class AdaptiveGroupNorm(Layer):
    """`GroupNorm(x) (1 + scale) + shift`, with scale and shift from the conditioning vector.

    The projection of the conditioning is zero at the start.

    Call arguments:
        x: float `[B, H, W, channels]`, the channels a multiple of 32.
        conditioning: float `[B, any]`.

    Returns:
        tensor `[B, H, W, channels]`.

    Example:

    >>> layer = md4keras.layers.AdaptiveGroupNorm()
    >>> tuple(layer(np.ones((2, 4, 4, 32)), np.ones((2, 8))).shape)
    (2, 4, 4, 32)

    Reference: Perez et al. 2018, *FiLM* (arXiv 1709.07871); Dhariwal and Nichol 2021 (arXiv
    2105.05233), Section 3.1.
    """

    def build(self, x_shape, conditioning_shape):
        check_width("channels", x_shape[-1], min_group_size=1)
        self.projection = dense(2 * x_shape[-1], self.dtype_policy, "projection", True, "zeros")
        self.projection.build(conditioning_shape)

    def call(self, x, conditioning):
        scale, shift = ops.split(self.projection(conditioning), 2, axis=-1)  # [B, channels]
        return group_normalize(x, 1.0 + ops.cast(scale, "float32"), shift)


def group_norm(adaptive: bool, dtype, name: str):
    """A new `AdaptiveGroupNorm` or `GroupNorm`."""
    return (AdaptiveGroupNorm if adaptive else GroupNorm)(dtype=dtype, name=name)
