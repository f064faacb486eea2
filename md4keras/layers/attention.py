"""Self-attention over a sequence, with and without rotary positions."""

from keras import ops

from md4keras.checks import RATE, check_number, check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.dropout import Dropout
from md4keras.layers.positions import apply_rotary, rotary_tables
from md4keras.layers.projections import dense, product


@register
class SelfAttention(Layer):
    """Multi-head self-attention that knows no positions; every token sees every other.

    Runs at any length, whatever the length it was built with. The output projection has no bias.

    Args:
        num_heads: int, a divisor of the width.
        dropout: float in `[0, 1)`, of the output, shared along the sequence.
        attention_dropout: float in `[0, 1)`, of the attention probabilities.
        use_bias: bool, whether the projections to query, key and value have biases.

    Call arguments:
        x: float `[B, L, width]`.
        padding_mask: bool `[B, L]`, `False` for what is not attended to, or bool `[B, L, L]`, what
            each token attends to (documents that share a row); `None` for everything.
        positions: int `[B, L]`, the place of each token; `None` for that in the row.
        training: bool.

    Returns:
        tensor `[B, L, width]`.

    Raises:
        ValueError: if the heads do not divide the width.
    """

    head_dim_multiple = 1

    def __init__(
        self,
        num_heads: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        use_bias: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = check_whole("num_heads", num_heads)
        self.dropout_rate = float(check_number("dropout", dropout, RATE))
        check_number("attention_dropout", attention_dropout, RATE)
        self.attention_dropout_rate = float(attention_dropout)
        self.use_bias = bool(use_bias)
        self.dropout = Dropout(dropout, shared_axis=1, dtype=self.dtype_policy, name="dropout")
        dtype = self.dtype_policy
        self.attention_dropout = Dropout(attention_dropout, dtype=dtype, name="attention_dropout")

    def build(self, x_shape):
        width = x_shape[-1]
        if width % (self.head_dim_multiple * self.num_heads):
            raise ValueError(
                "The width cannot be split into heads (of even size with rotary positions). "
                f"Expected a multiple of {self.head_dim_multiple * self.num_heads}. Received: "
                f"width={width}, num_heads={self.num_heads}. Change one of the two."
            )
        self.head_dim = width // self.num_heads
        for name in ("query", "key", "value", "output_projection"):
            use_bias = self.use_bias and name != "output_projection"
            self.add_layer(dense(width, self.dtype_policy, name, use_bias), x_shape)
        self.dropout.build(x_shape)
        self.attention_dropout.build((x_shape[0], self.num_heads, x_shape[1], x_shape[1]))

    def call(self, x, padding_mask=None, positions=None, training=None):
        mixed = self.attend(*self.project(x), padding_mask, training, positions)
        return self.output(mixed, training)

    def project(self, x):
        """Queries, keys and values, each `[B, L, heads, head_dim]`."""
        sizes = self.num_heads, self.head_dim
        return tuple(product(layer, x, *sizes) for layer in (self.query, self.key, self.value))

    def attend(self, query, key, value, padding_mask=None, training=None, positions=None):
        """Values mixed by attention, `[B, L, heads, head_dim]`."""
        query, key = self.with_positions(query, key, positions)
        mask = padding_mask
        if mask is not None:  # [B, 1, 1, L], or [B, 1, L, L]
            mask = mask[:, None, None, :] if len(mask.shape) == 2 else mask[:, None]
        if training and self.attention_dropout_rate > 0:
            return self._attend_with_dropout(query, key, value, mask)
        # Fused kernels of accelerators do not take every mask; Keras asks them without it.
        fused = None if mask is None else False
        return ops.dot_product_attention(query, key, value, mask=mask, flash_attention=fused)

    def output(self, mixed, training=None):
        """The output `[B, L, width]` from mixed values `[B, L, heads, head_dim]`."""
        mixed = ops.reshape(mixed, (-1, ops.shape(mixed)[1], self.num_heads * self.head_dim))
        return self.dropout(product(self.output_projection, mixed), training=training)

    def with_positions(self, query, key, positions=None):
        """Tells queries and keys `[B, L, heads, head_dim]` their positions; here, nothing."""
        return query, key

    def _attend_with_dropout(self, query, key, value, mask=None):
        # Keras's fused attention has no dropout.
        query = query * ops.cast(self.head_dim**-0.5, query.dtype)
        scores = ops.cast(ops.einsum("bqhd,bkhd->bhqk", query, key), "float32")  # [B, heads, L, L]
        if mask is not None:
            scores = ops.where(mask, scores, -1e30)
        probabilities = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
        probabilities = self.attention_dropout(probabilities, training=True)
        return ops.einsum("bhqk,bkhd->bqhd", probabilities, value)


@register
class RotarySelfAttention(SelfAttention):
    """`SelfAttention` with rotary positions: the same arguments, heads of even size.

    Raises:
        ValueError: if the heads do not divide the width, or have an odd size.
    """

    head_dim_multiple = 2

    def with_positions(self, query, key, positions=None):
        cos, sin = rotary_tables(ops.shape(query)[1], self.head_dim)
        if positions is not None:
            cos, sin = (ops.take(table, positions, axis=0) for table in (cos, sin))
        return apply_rotary(query, cos, sin), apply_rotary(key, cos, sin)
