"""Adaptive normalisation: the conditioning vector shifts, scales and gates a block."""

import keras
from keras import ops

from md4keras.checks import check_name, check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.projections import dense

ACTIVATIONS = {"glu": ops.sigmoid, "swiglu": ops.silu, "geglu": ops.gelu}
"""The activation of each gated MLP (GELU in its tanh form)."""

CONDITIONING_TYPES = ("adaln", "adaln_zero")

EPSILON = 1e-5
"""Of the norms in the text transformer."""


def layer_norm(dtype, name: str, epsilon: float = EPSILON, scale: bool = False):
    """Layer normalisation without parameters, or with a learned scale."""
    return keras.layers.LayerNormalization(
        epsilon=epsilon, center=False, scale=scale, dtype=dtype, name=name
    )


def rms_norm(dtype, name: str, epsilon: float = EPSILON):
    """Root-mean-square normalisation with a learned scale."""
    return keras.layers.RMSNormalization(epsilon=epsilon, dtype=dtype, name=name)


def modulate(x, shift, scale):
    """`x (1 + scale) + shift`, or `x` where both are `None`.

    Example:

    >>> md4keras.layers.modulate(3.0, shift=1.0, scale=0.5)
    5.5
    """
    return x if scale is None else x * (1.0 + scale) + shift


@register
class Modulation(Layer):
    """Projects the conditioning vector to several modulation vectors.

    Args:
        dim: int, the width of what is modulated.
        num_vectors: int, how many vectors are wanted.
        activation: `"glu"`, `"swiglu"` or `"geglu"`: the MLP whose activation (sigmoid, swish,
            GELU) comes before the projection.
        conditioning_type: `"adaln"` (ordinary initialisation) or `"adaln_zero"` (all vectors are
            zero at the start).

    Call arguments:
        conditioning: float `[B, any]`.

    Returns:
        tuple of `num_vectors` tensors `[B, 1, dim]`.

    Example:

    >>> modulation = md4keras.layers.Modulation(dim=8, num_vectors=2)
    >>> shift, scale = modulation(np.ones((2, 4)))
    >>> tuple(shift.shape), tuple(scale.shape)
    ((2, 1, 8), (2, 1, 8))

    Reference: Peebles and Xie 2023, *Scalable Diffusion Models with Transformers*
    (arXiv 2212.09748), Section 3.2.
    """

    def __init__(
        self,
        dim: int,
        num_vectors: int,
        activation: str = "swiglu",
        conditioning_type: str = "adaln",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = check_whole("dim", dim)
        self.num_vectors = check_whole("num_vectors", num_vectors)
        self.activation = check_name("activation", activation, ACTIVATIONS)
        check_name("conditioning_type", conditioning_type, CONDITIONING_TYPES)
        self.conditioning_type = conditioning_type
        initializer = None if conditioning_type == "adaln" else "zeros"
        units = num_vectors * dim
        self.projection = dense(units, self.dtype_policy, "projection", True, initializer)

    def build(self, conditioning_shape):
        self.projection.build(conditioning_shape)

    def call(self, conditioning):
        vectors = self.projection(ACTIVATIONS[self.activation](conditioning))
        vectors = ops.expand_dims(vectors, 1)  # [B, 1, num_vectors dim]
        return tuple(ops.split(vectors, self.num_vectors, axis=-1))

    def compute_output_shape(self, conditioning_shape):
        return ((conditioning_shape[0], 1, self.dim),) * self.num_vectors


@register
class AdaptiveLayerNorm(Layer):
    """`LayerNorm(x) (1 + scale) + shift`, with shift and scale from the conditioning vector.

    Args:
        activation: `"glu"`, `"swiglu"` or `"geglu"`; see `Modulation`.
        conditioning_type: `"adaln"` or `"adaln_zero"`; see `Modulation`.
        epsilon: float, added to the variance.
        norm_scale: bool, whether the norm has a learned scale of its own.

    Call arguments:
        x: float `[B, L, width]`.
        conditioning: float `[B, any]`.

    Returns:
        tensor `[B, L, width]`.

    Example:

    >>> layer = md4keras.layers.AdaptiveLayerNorm(conditioning_type="adaln_zero")
    >>> y = layer(np.array([[[1.0, 3.0]]]), np.ones((1, 8)))  # no scale and no shift at the start
    >>> print(keras.ops.convert_to_numpy(y).round(2))
    [[[-1. 1.]]]
    """

    def __init__(
        self,
        activation: str = "swiglu",
        conditioning_type: str = "adaln",
        epsilon: float = EPSILON,
        norm_scale: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.activation = check_name("activation", activation, ACTIVATIONS)
        check_name("conditioning_type", conditioning_type, CONDITIONING_TYPES)
        self.conditioning_type = conditioning_type
        self.epsilon = epsilon
        self.norm_scale = bool(norm_scale)
        self.norm = layer_norm(self.dtype_policy, "norm", epsilon, self.norm_scale)

    def build(self, x_shape, conditioning_shape):
        self.norm.build(x_shape)
        arguments = (x_shape[-1], 2, self.activation, self.conditioning_type)
        modulation = Modulation(*arguments, dtype=self.dtype_policy, name="modulation")
        self.add_layer(modulation, conditioning_shape)

    def call(self, x, conditioning):
        shift, scale = self.modulation(conditioning)  # [B, 1, width] each
        return modulate(self.norm(x), shift, scale)
