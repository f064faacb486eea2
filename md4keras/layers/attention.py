"""Self-attention over a sequence, with and without rotary positions."""

import math

import keras
from keras import ops

from md4keras.layers.dropout import Dropout
from md4keras.layers.validation import check_rate, check_size


def rotary_tables(length, head_dim: int):
    """Cosines and sines of the angles `m 10000^(-2k / head_dim)` at position `m`, for pair `k`.

    Args:
        length: int (or scalar tensor), the number of positions.
        head_dim: int, even.

    Returns:
        two float32 tensors `[length, head_dim / 2]`.
    """
    k = ops.arange(head_dim // 2, dtype="float32")
    frequencies = ops.exp(k * (-2.0 * math.log(10_000) / head_dim))
    positions = ops.cast(ops.arange(length), "float32")
    angles = ops.expand_dims(positions, -1) * frequencies  # [length, head_dim / 2]
    return ops.cos(angles), ops.sin(angles)


def apply_rotary(x, cos, sin):
    """Rotates neighbouring pairs of features by the angle of their position.

    Args:
        x: float `[B, L, heads, head_dim]`.
        cos, sin: float32 `[L, head_dim / 2]`, from `rotary_tables`.

    Returns:
        tensor like `x`. The inner product of two rotated vectors depends on the distance of their
        positions alone.

    Reference: Su et al. 2021, *RoFormer* (arXiv 2104.09864), Eq. 34.
    """
    head_dim = x.shape[-1]
    pairs = ops.reshape(ops.cast(x, "float32"), (*ops.shape(x)[:-1], head_dim // 2, 2))
    a, b = pairs[..., 0], pairs[..., 1]  # [B, L, heads, head_dim / 2]
    cos, sin = ops.expand_dims(cos, 1), ops.expand_dims(sin, 1)  # [L, 1, head_dim / 2]
    rotated = ops.stack([a * cos - b * sin, a * sin + b * cos], axis=-1)
    return ops.cast(ops.reshape(rotated, ops.shape(x)), x.dtype)


@keras.saving.register_keras_serializable(package="md4keras")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention that knows no positions; every token sees every other.

    Runs at any length, whatever the length it was built with. The output projection has no bias.

    Args:
        num_heads: int, a divisor of the width.
        dropout: float in `[0, 1)`, of the output, shared along the sequence.
        attention_dropout: float in `[0, 1)`, of the attention probabilities.
        use_bias: bool, whether the projections to query, key and value have biases.

    Call arguments:
        x: float `[B, L, width]`.
        training: bool.

    Returns:
        tensor `[B, L, width]`.

    Raises:
        ValueError: if the heads do not divide the width.
    """

    def __init__(
        self,
        num_heads: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        use_bias: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_size("num_heads", num_heads)
        check_rate("dropout", dropout)
        check_rate("attention_dropout", attention_dropout)
        self.num_heads = num_heads
        self.dropout_rate = float(dropout)
        self.attention_dropout_rate = float(attention_dropout)
        self.use_bias = bool(use_bias)
        self.dropout = Dropout(dropout, shared_axis=1, dtype=self.dtype_policy, name="dropout")
        self.attention_dropout = Dropout(
            attention_dropout, dtype=self.dtype_policy, name="attention_dropout"
        )

    def build(self, x_shape):
        width = x_shape[-1]
        self.check_heads(width)
        self.head_dim = width // self.num_heads
        for name in ("query", "key", "value", "output_projection"):
            dense = keras.layers.Dense(
                width,
                use_bias=self.use_bias and name != "output_projection",
                kernel_initializer="lecun_normal",
                dtype=self.dtype_policy,
                name=name,
            )
            dense.build(x_shape)
            setattr(self, name, dense)
        self.dropout.build(x_shape)
        self.attention_dropout.build((x_shape[0], self.num_heads, x_shape[1], x_shape[1]))

    def check_heads(self, width: int) -> None:
        """Raises a `ValueError` where the width cannot be split into the heads."""
        if width % self.num_heads:
            raise ValueError(
                "The width cannot be split into heads. Expected a multiple of "
                f"{self.num_heads}. Received: width={width}, num_heads={self.num_heads}. Change "
                "the width or the number of heads."
            )

    def call(self, x, training=None):
        return self.output(self.attend(*self.project(x), training=training), training=training)

    def project(self, x):
        """Queries, keys and values, each `[B, L, heads, head_dim]`."""
        heads = (-1, ops.shape(x)[1], self.num_heads, self.head_dim)
        # Matrix products of two dimensions: XLA transposes what has more for the backward pass.
        flat = ops.reshape(x, (-1, x.shape[-1]))  # [B L, width]
        projections = (self.query, self.key, self.value)
        return tuple(ops.reshape(projection(flat), heads) for projection in projections)

    def attend(self, query, key, value, training=None):
        """Values mixed by attention, `[B, L, heads, head_dim]`."""
        query, key = self.with_positions(query, key)
        if training and self.attention_dropout_rate > 0:
            return self._attend_with_dropout(query, key, value)
        return ops.dot_product_attention(query, key, value)

    def output(self, mixed, training=None):
        """The output `[B, L, width]` from mixed values `[B, L, heads, head_dim]`."""
        width = self.num_heads * self.head_dim
        flat = self.output_projection(ops.reshape(mixed, (-1, width)))  # [B L, width]
        x = ops.reshape(flat, (-1, ops.shape(mixed)[1], width))
        return self.dropout(x, training=training)

    def with_positions(self, query, key):
        """Tells queries and keys `[B, L, heads, head_dim]` their positions; here, nothing."""
        return query, key

    def _attend_with_dropout(self, query, key, value):
        # Keras's fused attention has no dropout.
        query = query * ops.cast(self.head_dim**-0.5, query.dtype)
        scores = ops.einsum("bqhd,bkhd->bhqk", query, key)  # [B, heads, L, L]
        probabilities = ops.softmax(ops.cast(scores, "float32"), axis=-1)
        probabilities = self.attention_dropout(ops.cast(probabilities, value.dtype), training=True)
        return ops.einsum("bhqk,bkhd->bqhd", probabilities, value)

    def compute_output_shape(self, x_shape):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout_rate,
            "attention_dropout": self.attention_dropout_rate,
            "use_bias": self.use_bias,
        }


@keras.saving.register_keras_serializable(package="md4keras")
class RotarySelfAttention(SelfAttention):
    """`SelfAttention` with rotary positions: the same arguments, heads of even size.

    Raises:
        ValueError: if the heads do not divide the width, or have an odd size.
    """

    def check_heads(self, width: int) -> None:
        if width % (2 * self.num_heads):
            raise ValueError(
                "The width cannot be split into heads of even size, which rotary positions need. "
                f"Expected a multiple of {2 * self.num_heads}. Received: width={width}, "
                f"num_heads={self.num_heads}. Change the width or the number of heads."
            )

    def with_positions(self, query, key):
        cos, sin = rotary_tables(ops.shape(query)[1], self.head_dim)
        return apply_rotary(query, cos, sin), apply_rotary(key, cos, sin)
