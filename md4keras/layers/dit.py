"""Layers of the U-ViT's core, a diffusion transformer (DiT) over patches of a feature map.

Reference: Peebles and Xie 2023, *Scalable Diffusion Models with Transformers* (arXiv 2212.09748).
"""

import keras
import numpy as np
from keras import ops

from md4keras.layers.attention import SelfAttention
from md4keras.layers.dropout import Dropout
from md4keras.layers.transformer import PreNormBlock
from md4keras.layers.validation import check_rate, check_size

EPSILON = 1e-6
ACTIVATION = "swiglu"
"""Swish comes before the projections of the conditioning; see `Modulation`."""


def sine_cosine_table(height: int, width: int, dim: int) -> np.ndarray:
    """Sines and cosines of the column, then of the row, of each position of a grid.

    A coordinate `p` takes `dim / 2` columns: `sin(p f_k)`, then `cos(p f_k)`, with
    `f_k = 10000^(-4k / dim)` and `k < dim / 4`.

    Args:
        height: int, rows of the grid.
        width: int, columns of the grid.
        dim: int, a multiple of 4.

    Returns:
        float32 array `[height width, dim]`, row after row.
    """
    frequencies = 10_000.0 ** (-np.arange(dim // 4) / (dim / 4))
    rows, columns = np.indices((height, width)).reshape(2, -1, 1)  # [height width, 1] each
    angles = (columns * frequencies, rows * frequencies)  # [height width, dim / 4] each
    parts = [function(angle) for angle in angles for function in (np.sin, np.cos)]
    return np.concatenate(parts, axis=-1).astype("float32")


@keras.saving.register_keras_serializable(package="md4keras")
class PositionEmbedding2D(keras.layers.Layer):
    """Adds to each position of a grid a trained vector, at the start `sine_cosine_table`.

    Args:
        height: int, rows of the grid.
        width: int, columns of the grid.

    Call arguments:
        x: float `[B, height width, dim]`, row after row, with `dim` a multiple of 4.

    Returns:
        tensor `[B, height width, dim]`.

    Raises:
        ValueError: if the input has another length, or a `dim` that 4 does not divide.
    """

    def __init__(self, height: int, width: int, **kwargs):
        super().__init__(**kwargs)
        check_size("height", height)
        check_size("width", width)
        self.height = height
        self.width = width

    def build(self, x_shape):
        _, length, dim = x_shape
        if length != self.height * self.width or dim % 4:
            raise ValueError(
                "The input does not suit the positions. Expected [batch, "
                f"{self.height * self.width}, a multiple of 4]. Received: shape={tuple(x_shape)}, "
                f"height={self.height}, width={self.width}. Change the grid or the input."
            )
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(length, dim),
            initializer=lambda shape, dtype: ops.convert_to_tensor(
                sine_cosine_table(self.height, self.width, dim), dtype
            ),
        )

    def call(self, x):
        return ops.add(x, self.embeddings)

    def compute_output_shape(self, x_shape):
        return x_shape

    def get_config(self):
        return {**super().get_config(), "height": self.height, "width": self.width}


@keras.saving.register_keras_serializable(package="md4keras")
class MLP(keras.layers.Layer):
    """`W_2 gelu(W_1 x + b_1) + b_2`, with GELU in its tanh form and dropout after both layers.

    Args:
        hidden_dim: int; `None` for four times the width.
        dropout: float in `[0, 1)`.

    Call arguments:
        x: float `[B, L, width]`.
        training: bool.

    Returns:
        tensor `[B, L, width]`.
    """

    def __init__(self, hidden_dim: int | None = None, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        if hidden_dim is not None:
            check_size("hidden_dim", hidden_dim)
        check_rate("dropout", dropout)
        self.hidden_dim = hidden_dim
        self.dropout_rate = float(dropout)
        self.hidden_dropout = Dropout(dropout, dtype=self.dtype_policy, name="hidden_dropout")
        self.dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, x_shape):
        width = x_shape[-1]
        hidden_dim = self.hidden_dim or 4 * width
        hidden_shape = (*x_shape[:-1], hidden_dim)
        self.hidden = _dense(hidden_dim, self.dtype_policy, "hidden")
        self.hidden.build(x_shape)
        self.hidden_dropout.build(hidden_shape)
        self.output_projection = _dense(width, self.dtype_policy, "output_projection")
        self.output_projection.build(hidden_shape)
        self.dropout.build(x_shape)

    def call(self, x, training=None):
        return self.output(*self.project(x), training=training)

    def project(self, x):
        """The hidden layer before its activation, `[B, L, hidden_dim]`, in a tuple."""
        # Matrix products of two dimensions: XLA transposes what has more for the backward pass.
        flat = self.hidden(ops.reshape(x, (-1, x.shape[-1])))  # [B L, hidden_dim]
        return (ops.reshape(flat, (-1, ops.shape(x)[1], flat.shape[-1])),)

    def output(self, x, training=None):
        """The output `[B, L, width]` from what `project` returns."""
        length = ops.shape(x)[1]
        x = self.hidden_dropout(ops.gelu(x), training=training)
        flat = self.output_projection(ops.reshape(x, (-1, x.shape[-1])))  # [B L, width]
        return self.dropout(ops.reshape(flat, (-1, length, flat.shape[-1])), training=training)

    @property
    def dropouts(self) -> list:
        """The layers that drop something in `output`."""
        return [self.hidden_dropout, self.dropout]

    def compute_output_shape(self, x_shape):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout_rate,
        }


@keras.saving.register_keras_serializable(package="md4keras")
class DiTBlock(PreNormBlock):
    """The core's block: self-attention with biases and an `MLP`, epsilon 1e-6.

    The projection of the conditioning is zero at the start (adaLN-zero), so that the block is the
    identity.

    Args:
        num_heads: int, a divisor of the width.
        conditioned: bool, whether there is a conditioning vector.
        dropout: float in `[0, 1)`, of the attention probabilities, the output of attention (shared
            along the sequence), and both layers of the MLP.
        remat: what the backward pass computes again; see `md4keras.layers.REMAT_MODES`.

    Call arguments:
        x: float `[B, L, width]`.
        conditioning: float `[B, any]`, or `None` for a block without conditioning.
        training: bool.

    Returns:
        tensor `[B, L, width]`.
    """

    def __init__(
        self,
        num_heads: int,
        conditioned: bool = False,
        dropout: float = 0.0,
        remat: str | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.conditioned = conditioned
        self.dropout = dropout
        dtype = self.dtype_policy
        attention = SelfAttention(
            num_heads, dropout, dropout, use_bias=True, dtype=dtype, name="attention"
        )
        mlp = MLP(dropout=dropout, dtype=dtype, name="mlp")
        conditioning_type = "adaln_zero" if conditioned else None
        self.set_parts(attention, mlp, ACTIVATION, conditioning_type, EPSILON, remat)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "conditioned": self.conditioned,
            "dropout": self.dropout,
            "remat": self.remat,
        }


def _dense(units: int, dtype, name: str):
    return keras.layers.Dense(units, kernel_initializer="lecun_normal", dtype=dtype, name=name)
