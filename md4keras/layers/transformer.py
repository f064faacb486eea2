"""The block of the text transformer: rotary self-attention and a gated MLP, both pre-norm."""

import keras
from keras import ops

from md4keras.layers.attention import RotarySelfAttention
from md4keras.layers.dropout import Dropout
from md4keras.layers.modulation import (
    ACTIVATIONS,
    CONDITIONING_TYPES,
    EPSILON,
    Modulation,
    layer_norm,
    modulate,
    rms_norm,
)
from md4keras.layers.remat import REMAT_MODES, rematerialize
from md4keras.layers.validation import check_name, check_rate, check_size


@keras.saving.register_keras_serializable(package="md4keras")
class GatedMLP(keras.layers.Layer):
    """`W_out (act(W_gate x) * W_in x)`, without biases.

    Args:
        mlp_type: `"glu"` (sigmoid), `"swiglu"` (swish) or `"geglu"` (GELU, tanh form).
        hidden_dim: int; `None` for 2/3 of four times the width, rounded up to a multiple of 32.
        dropout: float in `[0, 1)`, of the output, shared along the sequence.
        initializer_scale: float, the variance of the kernels at the start times their fan-in.

    Call arguments:
        x: float `[B, L, width]`.
        training: bool.

    Returns:
        tensor `[B, L, width]`.

    Reference: Shazeer 2020, *GLU Variants Improve Transformer* (arXiv 2002.05202).
    """

    def __init__(
        self,
        mlp_type: str = "swiglu",
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        initializer_scale: float = 1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_name("mlp_type", mlp_type, ACTIVATIONS)
        check_rate("dropout", dropout)
        if hidden_dim is not None:
            check_size("hidden_dim", hidden_dim)
        self.mlp_type = mlp_type
        self.hidden_dim = hidden_dim
        self.dropout_rate = float(dropout)
        self.initializer_scale = initializer_scale
        self.dropout = Dropout(dropout, shared_axis=1, dtype=self.dtype_policy, name="dropout")

    def build(self, x_shape):
        width = x_shape[-1]
        hidden_dim = self.hidden_dim or -(-(8 * width // 3) // 32) * 32
        hidden_shape = (*x_shape[:-1], hidden_dim)
        for name, units, shape in (
            ("gate", hidden_dim, x_shape),
            ("input_projection", hidden_dim, x_shape),
            ("output_projection", width, hidden_shape),
        ):
            dense = keras.layers.Dense(
                units,
                use_bias=False,
                kernel_initializer=keras.initializers.VarianceScaling(
                    self.initializer_scale, "fan_in", "truncated_normal"
                ),
                dtype=self.dtype_policy,
                name=name,
            )
            dense.build(shape)
            setattr(self, name, dense)
        self.dropout.build(x_shape)

    def call(self, x, training=None):
        return self.output(*self.project(x), training=training)

    def project(self, x):
        """What is gated, before the activation, and its gate: each `[B, L, hidden_dim]`."""
        # Matrix products of two dimensions: XLA transposes what has more for the backward pass.
        flat = ops.reshape(x, (-1, x.shape[-1]))  # [B L, width]
        hidden = (-1, ops.shape(x)[1], self.gate.units)
        return tuple(
            ops.reshape(dense(flat), hidden) for dense in (self.gate, self.input_projection)
        )

    def output(self, gate, x, training=None):
        """The output `[B, L, width]` from what `project` returns."""
        length = ops.shape(x)[1]
        x = ACTIVATIONS[self.mlp_type](gate) * x  # [B, L, hidden_dim]
        flat = self.output_projection(ops.reshape(x, (-1, x.shape[-1])))  # [B L, width]
        x = ops.reshape(flat, (-1, length, flat.shape[-1]))
        return self.dropout(x, training=training)

    @property
    def dropouts(self) -> list:
        """The layers that drop something in `output`."""
        return [self.dropout]

    def compute_output_shape(self, x_shape):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "mlp_type": self.mlp_type,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout_rate,
            "initializer_scale": self.initializer_scale,
        }


class PreNormBlock(keras.layers.Layer):
    """`h = x + g_1 Attention(norm(x)); h + g_2 MLP(norm(h))`, what all transformer blocks do.

    With conditioning the norms are LayerNorms without parameters, followed by `x (1 + scale) +
    shift`, and the gates `g` come from the conditioning too; without it they are RMSNorms and the
    gates are 1. A subclass calls `set_parts` in its constructor.

    Call arguments:
        x: float `[B, L, width]`.
        conditioning: float `[B, any]`, or `None` for a block without conditioning.
        training: bool.

    Returns:
        tensor `[B, L, width]`.

    Reference: Peebles and Xie 2023, *Scalable Diffusion Models with Transformers*
    (arXiv 2212.09748), Figure 3.
    """

    def set_parts(
        self, attention, mlp, activation, conditioning_type, epsilon=EPSILON, remat=None
    ) -> None:
        """Sets what the block consists of.

        Args:
            attention: a `SelfAttention`.
            mlp: layer from `[B, L, width]` to the same, in two parts: `project` and `output`.
            activation: what comes before the projection of the conditioning; see `Modulation`.
            conditioning_type: see `Modulation`, or `None` for a block without conditioning.
            epsilon: float, of the norms.
            remat: what the backward pass computes again, one of `REMAT_MODES`.
        """
        check_name("conditioning_type", conditioning_type, (None, *CONDITIONING_TYPES))
        check_name("remat", remat, REMAT_MODES)
        self.remat = remat
        self.conditioning_type = conditioning_type
        self.activation = activation
        norm = rms_norm if conditioning_type is None else layer_norm
        self.attention_norm = norm(self.dtype_policy, "attention_norm", epsilon)
        self.attention = attention
        self.mlp_norm = norm(self.dtype_policy, "mlp_norm", epsilon)
        self.mlp = mlp

    def build(self, x_shape, conditioning_shape=None):
        self._check_conditioning(conditioning_shape)
        for layer in (self.attention_norm, self.attention, self.mlp_norm, self.mlp):
            layer.build(x_shape)
        if self.conditioning_type is not None:
            self.modulation = Modulation(
                x_shape[-1],
                num_vectors=6,
                activation=self.activation,
                conditioning_type=self.conditioning_type,
                dtype=self.dtype_policy,
                name="modulation",
            )
            self.modulation.build(conditioning_shape)

    def call(self, x, conditioning=None, training=None):
        self._check_conditioning(conditioning)
        inputs = (x,) if conditioning is None else (x, conditioning)
        attention, mlp = self.attention, self.mlp
        return rematerialize(
            lambda *inputs: self._transform(*inputs, training=training),
            *inputs,
            dropouts=(attention.attention_dropout, attention.dropout, *mlp.dropouts),
            when=bool(training) and self.remat == "full",
        )

    def _transform(self, x, conditioning=None, training=None):
        attention, mlp = self.attention, self.mlp
        when = bool(training) and self.remat == "activations"
        adapt_1, gate_1, adapt_2, gate_2 = self._modulations(conditioning)

        def project(part, norm):  # a product needs its input alone in the backward pass
            return lambda x, *adapt: part.project(modulate(norm(x), *adapt) if adapt else norm(x))

        heads = rematerialize(project(attention, self.attention_norm), x, *adapt_1, when=when)
        mixed = rematerialize(
            lambda *heads: attention.attend(*heads, training=training),
            *heads,
            dropouts=[attention.attention_dropout],
            when=when,
        )
        mixed = rematerialize(
            lambda mixed: attention.output(mixed, training=training),
            mixed,
            dropouts=[attention.dropout],
            when=when,
        )
        x = x + _gated(mixed, gate_1)
        hidden = rematerialize(project(mlp, self.mlp_norm), x, *adapt_2, when=when)
        output = rematerialize(
            lambda *hidden: mlp.output(*hidden, training=training),
            *hidden,
            dropouts=mlp.dropouts,
            when=when,
        )
        return x + _gated(output, gate_2)

    def _modulations(self, conditioning):
        """(shift, scale) and gate of the attention, and of the MLP; nothing where there is none."""
        if self.conditioning_type is None:
            return (), None, (), None
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self.modulation(conditioning)
        return (shift_1, scale_1), gate_1, (shift_2, scale_2), gate_2

    def _check_conditioning(self, conditioning):
        if (conditioning is None) != (self.conditioning_type is None):
            raise ValueError(
                "The block was made for other inputs. Expected a conditioning vector exactly if "
                "`conditioning_type` is given. Received: "
                f"conditioning_type={self.conditioning_type!r}, conditioning={conditioning!r}. "
                "Change one of the two."
            )

    def compute_output_shape(self, x_shape, conditioning_shape=None):
        return x_shape


@keras.saving.register_keras_serializable(package="md4keras")
class TransformerBlock(PreNormBlock):
    """The text transformer's block: rotary self-attention and a gated MLP, epsilon 1e-5.

    Args:
        num_heads: int.
        mlp_type: `"glu"`, `"swiglu"` or `"geglu"`.
        conditioning_type: `"adaln"`, `"adaln_zero"` (all modulations are zero at the start, so
            that the block is the identity), or `None` for a block without conditioning.
        dropout: float in `[0, 1)`, of the outputs of attention and MLP.
        attention_dropout: float in `[0, 1)`, of the attention probabilities.
        mlp_initializer_scale: float, the variance of the MLP's kernels at the start times their
            fan-in.
        remat: what the backward pass computes again instead of keeping it: `None`,
            `"activations"` or `"full"`; see `md4keras.layers.REMAT_MODES`.

    Call arguments:
        x: float `[B, L, width]`.
        conditioning: float `[B, any]`, or `None` for a block without conditioning.
        training: bool.

    Returns:
        tensor `[B, L, width]`.

    Reference: Peebles and Xie 2023, *Scalable Diffusion Models with Transformers*
    (arXiv 2212.09748), Figure 3.
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
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.mlp_type = mlp_type
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.mlp_initializer_scale = mlp_initializer_scale
        dtype = self.dtype_policy
        attention = RotarySelfAttention(
            num_heads, dropout, attention_dropout, dtype=dtype, name="attention"
        )
        mlp = GatedMLP(mlp_type, None, dropout, mlp_initializer_scale, dtype=dtype, name="mlp")
        self.set_parts(attention, mlp, mlp_type, conditioning_type, remat=remat)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_type": self.mlp_type,
            "conditioning_type": self.conditioning_type,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "mlp_initializer_scale": self.mlp_initializer_scale,
            "remat": self.remat,
        }


def _gated(x, gate):
    return x if gate is None else gate * x
