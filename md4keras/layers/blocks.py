"""Transformer blocks: self-attention and a two-layer network, both pre-norm."""

import functools

from md4keras import backend
from md4keras.checks import check_name
from md4keras.layers.attention import RotarySelfAttention, SelfAttention
from md4keras.layers.base import Layer, register
from md4keras.layers.conditioning import check_conditioning
from md4keras.layers.mlp import MLP, GatedMLP
from md4keras.layers.modulation import (
    CONDITIONING_TYPES,
    EPSILON,
    Modulation,
    layer_norm,
    modulate,
    rms_norm,
)
from md4keras.layers.positions import MAX_WAVELENGTH
from md4keras.layers.remat import REMAT_MODES, rematerialize

DIT_EPSILON = 1e-6
DIT_ACTIVATION = "swiglu"
"""Swish comes before the projections of the conditioning; see `Modulation`."""


class PreNormBlock(Layer):
    """`h = x + g_1 Attention(norm(x)); h + g_2 MLP(norm(h))`, what all transformer blocks do.

    With conditioning the norms are LayerNorms without parameters (with a learned scale if
    `norm_scale`), followed by `x (1 + scale) + shift`, and the gates `g` come from the conditioning
    too; without it they are RMSNorms and the gates are 1.

    Made of a `SelfAttention` and a `TwoLayers`; `activation` and `conditioning_type` are those of
    the `Modulation`.

    Call arguments:
        x: float `[B, L, width]`.
        conditioning: float `[B, any]`, or `None` for a block without conditioning.
        padding_mask, positions: as those of a `SelfAttention`.
        stored: the keys and values of tokens that these see besides, a pair, with a `padding_mask`
            `[B, L, C + L]`, or `()` for none: see `SelfAttention.attend_after`. `None` for a block
            that returns no keys and values.
        training: bool.

    Returns:
        tensor `[B, L, width]`; with `stored` also the keys and values of these tokens.

    Reference: Peebles and Xie 2023, *Scalable Diffusion Models with Transformers*
    (arXiv 2212.09748), Figure 3.
    """

    def __init__(
        self,
        attention,
        mlp,
        activation,
        conditioning_type,
        epsilon,
        remat,
        norm_scale=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.activation = activation
        check_name("conditioning_type", conditioning_type, (None, *CONDITIONING_TYPES))
        self.conditioning_type = conditioning_type
        self.remat = check_name("remat", remat, REMAT_MODES)
        norm = functools.partial(layer_norm, scale=norm_scale)
        norm = rms_norm if conditioning_type is None else norm
        self.attention_norm = norm(self.dtype_policy, "attention_norm", epsilon)
        self.attention = attention
        self.mlp_norm = norm(self.dtype_policy, "mlp_norm", epsilon)
        self.mlp = mlp

    def build(self, x_shape, conditioning_shape=None):
        check_conditioning(self.conditioning_type is not None, conditioning_shape)
        for layer in (self.attention_norm, self.attention, self.mlp_norm, self.mlp):
            layer.build(x_shape)
        if self.conditioning_type is not None:
            arguments = (x_shape[-1], 6, self.activation, self.conditioning_type)
            modulation = Modulation(*arguments, dtype=self.dtype_policy, name="modulation")
            self.add_layer(modulation, conditioning_shape)

    def call(
        self, x, conditioning=None, padding_mask=None, positions=None, stored=None, training=None
    ):
        check_conditioning(self.conditioning_type is not None, conditioning)
        attention, pair = self.attention, stored or ()
        found = rematerialize(
            functools.partial(self._transform, training=training, keeps=stored is not None),
            backend.keep_rows(x),
            conditioning,
            padding_mask,
            positions,
            *pair,
            dropouts=(attention.attention_dropout, attention.dropout, *self.mlp.dropouts),
            when=bool(training) and self.remat == "full",
        )
        if stored is None:
            return backend.keep_rows(found)
        return tuple(map(backend.keep_rows, found))

    def _transform(self, x, conditioning, padding_mask, positions, *stored, training, keeps):
        attention, mlp = self.attention, self.mlp
        when = bool(training) and self.remat == "activations"
        recompute = functools.partial(rematerialize, when=when)
        vectors = [None] * 6 if conditioning is None else self.modulation(conditioning)
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = vectors

        def project(part, norm):  # a product needs its input alone in the backward pass
            return lambda x, shift, scale: part.project(modulate(norm(x), shift, scale))

        heads = recompute(project(attention, self.attention_norm), x, shift_1, scale_1)

        def attend(query, key, value, padding_mask, positions, *stored):
            if not keeps:
                return attention.attend(query, key, value, padding_mask, training, positions)
            own = query, key, value
            return attention.attend_after(*own, stored, padding_mask, positions, training)

        where = padding_mask, positions, *stored
        mixed = recompute(attend, *heads, *where, dropouts=[attention.attention_dropout])
        mixed, *own = mixed if keeps else (mixed,)
        output = functools.partial(attention.output, training=training)
        mixed = recompute(output, mixed, dropouts=[attention.dropout])
        x = x + _gated(mixed, gate_1)
        hidden = recompute(project(mlp, self.mlp_norm), x, shift_2, scale_2)
        output = functools.partial(mlp.output, training=training)
        x = x + _gated(recompute(output, *hidden, dropouts=mlp.dropouts), gate_2)
        return (x, *own) if own else x


@register
class TransformerBlock(PreNormBlock):
    """The text transformer's block: rotary self-attention and a gated MLP, epsilon 1e-5.

    Args:
        num_heads: int.
        mlp_type: `"glu"`, `"swiglu"` or `"geglu"`.
        conditioning_type: `"adaln"`, `"adaln_zero"` (all modulations are zero at the start, so
            that the block is the identity), or `None` for a block without conditioning.
        dropout: float in `[0, 1)`, of the outputs of attention and MLP.
        attention_dropout: float in `[0, 1)`, of the attention probabilities.
        mlp_initializer_scale: float, see `initializer_scale` of `GatedMLP`.
        remat: what the backward pass computes again; see `md4keras.layers.REMAT_MODES`.

    Call arguments, returned and reference: as those of `PreNormBlock`.

    Example:

    >>> block = md4keras.layers.TransformerBlock(num_heads=2, conditioning_type="adaln")
    >>> tuple(block(np.ones((2, 3, 8)), np.ones((2, 4))).shape)
    (2, 3, 8)
    """

    def __init__(
        self,
        num_heads: int,
        mlp_type: str = "swiglu",
        conditioning_type: str | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        mlp_initializer_scale: float = 1.0,
        remat: str | None = None,
        **kwargs,
    ):
        dtype = kwargs.get("dtype")
        rates = (dropout, attention_dropout)
        attention = RotarySelfAttention(num_heads, *rates, dtype=dtype, name="attention")
        mlp = GatedMLP(mlp_type, None, dropout, mlp_initializer_scale, dtype=dtype, name="mlp")
        super().__init__(attention, mlp, mlp_type, conditioning_type, EPSILON, remat, **kwargs)
        self.num_heads = num_heads
        self.mlp_type = mlp_type
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.mlp_initializer_scale = mlp_initializer_scale


@register
class DiTBlock(PreNormBlock):
    """The block of the U-ViT's core: self-attention with biases and an `MLP`, epsilon 1e-6.

    The projection of the conditioning is zero at the start (adaLN-zero), so that the block is the
    identity.

    Args:
        num_heads: int, a divisor of the width.
        conditioned: bool, whether there is a conditioning vector.
        dropout: float in `[0, 1)`, of the attention probabilities, the output of attention (shared
            along the sequence), and both layers of the MLP.
        remat: what the backward pass computes again; see `md4keras.layers.REMAT_MODES`.

    Call arguments, returned and reference: as those of `PreNormBlock`.

    Example:

    >>> block, x = md4keras.layers.DiTBlock(num_heads=2, conditioned=True), np.ones((2, 3, 8))
    >>> y = block(x, np.ones((2, 4)))
    >>> bool(np.allclose(keras.ops.convert_to_numpy(y), x))  # the identity at the start
    True
    """

    def __init__(
        self,
        num_heads: int,
        conditioned: bool = False,
        dropout: float = 0.0,
        remat: str | None = None,
        **kwargs,
    ):
        dtype = kwargs.get("dtype")
        attention = SelfAttention(num_heads, dropout, dropout, True, dtype=dtype, name="attention")
        mlp = MLP(dropout=dropout, dtype=dtype, name="mlp")
        conditioning_type = "adaln_zero" if conditioned else None
        arguments = (DIT_ACTIVATION, conditioning_type, DIT_EPSILON, remat)
        super().__init__(attention, mlp, *arguments, **kwargs)
        self.num_heads = num_heads
        self.conditioned = conditioned
        self.dropout = dropout


@register
class RotaryDiTBlock(PreNormBlock):
    """The block of `networks.DiT`: attention with rotated halves, an `MLP`, epsilon 1e-5.

    No biases in attention; the norms have a learned scale, and the projection of the conditioning
    is zero at the start (adaLN-zero), so that the block is the identity.

    Args:
        num_heads: int.
        dropout: float in `[0, 1)`, of the outputs of attention and MLP, each position on its own.
        remat: what the backward pass computes again; see `md4keras.layers.REMAT_MODES`.

    Call arguments and returned: as those of `PreNormBlock`; there is always a conditioning.

    Example:

    >>> block = md4keras.layers.RotaryDiTBlock(num_heads=2)
    >>> tuple(block(np.ones((3, 5, 8)), np.ones((3, 6))).shape)
    (3, 5, 8)

    Reference: Sahoo et al. 2024, *Simple and Effective Masked Diffusion Language Models*
    (arXiv 2406.07524).
    """

    def __init__(self, num_heads: int, dropout: float = 0.0, remat: str | None = None, **kwargs):
        dtype = kwargs.get("dtype")
        rotary = {"halves": True, "dtype": dtype, "name": "attention"}
        attention = RotarySelfAttention(num_heads, dropout, **rotary)
        attention.dropout.shared_axis = None
        mlp = MLP(None, dropout, 0.0, dtype=dtype, name="mlp")
        arguments = (DIT_ACTIVATION, "adaln_zero", EPSILON, remat, True)
        super().__init__(attention, mlp, *arguments, **kwargs)
        self.num_heads = num_heads
        self.dropout = dropout


@register
class LlamaBlock(PreNormBlock):
    """Llama's block without its causal mask: RMSNorms, rotated halves, heads in groups, SwiGLU.

    Args:
        num_heads: int, a divisor of the width.
        num_key_value_heads: int, a divisor of `num_heads`, or `None`; see `SelfAttention`.
        hidden_dim: int, of the `GatedMLP`.
        dropout: float in `[0, 1)`, of the attention probabilities and the outputs of attention
            and MLP.
        max_wavelength: float, of the rotary positions.
        epsilon: float, of the norms.
        remat: what the backward pass computes again; see `md4keras.layers.REMAT_MODES`.

    Call arguments and returned: as those of a `PreNormBlock` without conditioning.

    Example:

    >>> block = md4keras.layers.LlamaBlock(num_heads=4, num_key_value_heads=2, hidden_dim=16)
    >>> tuple(block(np.ones((2, 3, 16))).shape)
    (2, 3, 16)

    Reference: Touvron et al. 2023, *Llama 2* (arXiv 2307.09288), Section 2.2.
    """

    def __init__(
        self,
        num_heads: int,
        num_key_value_heads: int | None = None,
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        max_wavelength: float = MAX_WAVELENGTH,
        epsilon: float = EPSILON,
        remat: str | None = None,
        **kwargs,
    ):
        dtype = kwargs.get("dtype")
        heads = (num_heads, dropout, dropout, False, num_key_value_heads)
        attention = RotarySelfAttention(*heads, max_wavelength, True, dtype=dtype, name="attention")
        mlp = GatedMLP("swiglu", hidden_dim, dropout, dtype=dtype, name="mlp")
        super().__init__(attention, mlp, "swiglu", None, epsilon, remat, **kwargs)
        self.num_heads = num_heads
        self.num_key_value_heads = num_key_value_heads
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.max_wavelength = max_wavelength
        self.epsilon = epsilon


def _gated(x, gate):
    return x if gate is None else gate * x
