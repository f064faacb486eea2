"""Self-attention over a sequence, with and without rotary positions."""

from keras import ops

from md4keras.checks import RATE, Interval, check_number, check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.dropout import Dropout
from md4keras.layers.positions import MAX_WAVELENGTH, apply_rotary, rotary_at, rotary_tables
from md4keras.layers.projections import dense, product


def check_heads(name: str, width: int, num_heads: int, multiple: int = 2) -> None:
    """Raises a `ValueError` unless the width is that of heads whose size is such a multiple."""
    if width % (multiple * num_heads):
        raise ValueError(
            "The width cannot be split into heads (of even size with rotary positions). Expected "
            f"a multiple of {multiple * num_heads}. Received: {name}={width}, "
            f"num_heads={num_heads}. Change one of the two."
        )


def check_groups(num_key_value_heads: int | None, num_heads: int) -> int | None:
    """The number of groups of heads, if so many groups are equal, or `None` for no groups."""
    if num_key_value_heads is None:
        return None
    if num_heads % check_whole("num_key_value_heads", num_key_value_heads):
        raise ValueError(
            "The heads cannot be split into equal groups that share keys and values. Expected a "
            f"divisor of num_heads={num_heads}. Received: "
            f"num_key_value_heads={num_key_value_heads}. Change one of the two."
        )
    return num_key_value_heads


@register
class SelfAttention(Layer):
    """Multi-head self-attention that knows no positions; every token sees every other.

    Runs at any length, whatever the length it was built with. The output projection has no bias.

    Args:
        num_heads: int, a divisor of the width.
        dropout: float in `[0, 1)`, of the output, shared along the sequence.
        attention_dropout: float in `[0, 1)`, of the attention probabilities.
        use_bias: bool, whether the projections to query, key and value have biases.
        num_key_value_heads: int, a divisor of `num_heads`: neighbouring heads share their keys and
            values in so many groups; `None` for heads that share nothing.

    Call arguments:
        x: float `[B, L, width]`.
        padding_mask: bool `[B, L]`, `False` for what is not attended to, or bool `[B, L, L]`, what
            each token attends to (documents that share a row); `None` for everything.
        positions: int `[B, L]`, the place of each token; `None` for that in the row.
        training: bool.

    Returns:
        tensor `[B, L, width]`.

    Raises:
        ValueError: if the heads do not divide the width, or the groups the heads.

    Example:

    >>> attention = md4keras.layers.SelfAttention(num_heads=2)
    >>> tuple(attention(np.ones((2, 3, 8)), np.array([[True, True, False]] * 2)).shape)
    (2, 3, 8)

    Reference: Ainslie et al. 2023, *GQA* (arXiv 2305.13245), of heads in groups.
    """

    head_dim_multiple = 1

    def __init__(
        self,
        num_heads: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        use_bias: bool = False,
        num_key_value_heads: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = check_whole("num_heads", num_heads)
        self.num_key_value_heads = check_groups(num_key_value_heads, num_heads)
        self.dropout_rate = float(check_number("dropout", dropout, RATE))
        check_number("attention_dropout", attention_dropout, RATE)
        self.attention_dropout_rate = float(attention_dropout)
        self.use_bias = bool(use_bias)
        self.dropout = Dropout(dropout, shared_axis=1, dtype=self.dtype_policy, name="dropout")
        dtype = self.dtype_policy
        self.attention_dropout = Dropout(attention_dropout, dtype=dtype, name="attention_dropout")

    def build(self, x_shape):
        width = x_shape[-1]
        check_heads("width", width, self.num_heads, self.head_dim_multiple)
        self.head_dim = width // self.num_heads
        groups = self.num_key_value_heads or self.num_heads
        for name in ("query", "key", "value", "output_projection"):
            use_bias = self.use_bias and name != "output_projection"
            units = groups * self.head_dim if name in ("key", "value") else width
            self.add_layer(dense(units, self.dtype_policy, name, use_bias), x_shape)
        self.dropout.build(x_shape)
        self.attention_dropout.build((x_shape[0], self.num_heads, x_shape[1], x_shape[1]))

    def call(self, x, padding_mask=None, positions=None, training=None):
        mixed = self.attend(*self.project(x), padding_mask, training, positions)
        return self.output(mixed, training)

    def project(self, x):
        """Queries `[B, L, heads, head_dim]`; keys and values `[B, L, groups, head_dim]`."""
        groups = self.num_key_value_heads or self.num_heads
        pairs = (self.query, self.num_heads), (self.key, groups), (self.value, groups)
        return tuple(product(layer, x, heads, self.head_dim) for layer, heads in pairs)

    def attend(self, query, key, value, padding_mask=None, training=None, positions=None):
        """Values mixed by attention, `[B, L, heads, head_dim]`."""
        query, key = self.with_positions(query, key, positions)
        return self.mix(query, [(key, value)], padding_mask, training)

    def attend_after(self, query, key, value, stored, padding_mask, positions, training=None):
        """Values mixed by attention to what is stored and to the tokens themselves.

        Args:
            query, key, value: of `L` tokens, from `project`.
            stored: a pair, keys and values `[B, C, groups, head_dim]` as they are returned here;
                or `()` where nothing is, `C = 0`.
            padding_mask: bool `[B, L, C + L]`, what each token attends to.
            positions: int `[B, L]`.
            training: bool.

        Returns:
            mixed values `[B, L, heads, head_dim]`, and the tokens' keys and values
            `[B, L, groups, head_dim]`, to be stored.
        """
        query, key = self.with_positions(query, key, positions)
        parts = [tuple(ops.cast(each, key.dtype) for each in stored)] if stored else []
        return self.mix(query, [*parts, (key, value)], padding_mask, training), key, value

    def mix(self, query, parts, padding_mask=None, training=None):
        """Values mixed by attention of queries and keys that know their positions.

        Args:
            query: `[B, L, heads, head_dim]`.
            parts: list of pairs of keys and values, `[B, any, groups, head_dim]`, which stand one
                after another in the mask. (Joined they would be copied in every call.)
            padding_mask, training: as of `call`.
        """
        if (shared := self.num_heads // (self.num_key_value_heads or self.num_heads)) > 1:
            parts = [[ops.repeat(each, shared, axis=2) for each in pair] for pair in parts]
        mask = padding_mask
        if mask is not None:  # [B, 1, 1, L], or [B, 1, L, L]
            mask = mask[:, None, None, :] if len(mask.shape) == 2 else mask[:, None]
        if len(parts) > 1 or (training and self.attention_dropout_rate > 0):
            return self._attend_to_parts(query, parts, mask, training)
        # Fused kernels of accelerators do not take every mask; Keras asks them without it.
        fused = None if mask is None else False
        return ops.dot_product_attention(query, *parts[0], mask=mask, flash_attention=fused)

    def output(self, mixed, training=None):
        """The output `[B, L, width]` from mixed values `[B, L, heads, head_dim]`."""
        mixed = ops.reshape(mixed, (-1, ops.shape(mixed)[1], self.num_heads * self.head_dim))
        return self.dropout(product(self.output_projection, mixed), training=training)

    def with_positions(self, query, key, positions=None):
        """Tells queries and keys `[B, L, heads, head_dim]` their positions; here, nothing."""
        return query, key

    def _attend_to_parts(self, query, parts, mask=None, training=None):
        # Keras's attention has neither parts nor dropout.
        query = query * ops.cast(self.head_dim**-0.5, query.dtype)
        scores = [ops.einsum("bqhd,bkhd->bhqk", query, key) for key, _ in parts]
        sizes = [ops.shape(each)[-1] for each in scores]
        scores = ops.cast(ops.concatenate(scores, axis=-1), "float32")  # [B, heads, L, all]
        if mask is not None:
            scores = ops.where(mask, scores, -1e30)
        probabilities = ops.cast(ops.softmax(scores, axis=-1), query.dtype)
        probabilities = self.attention_dropout(probabilities, training=training)
        mixed, begin = 0.0, 0
        for size, (_, value) in zip(sizes, parts, strict=True):
            part = probabilities[..., begin : begin + size]
            mixed, begin = mixed + ops.einsum("bhqk,bkhd->bqhd", part, value), begin + size
        return mixed


@register
class RotarySelfAttention(SelfAttention):
    """`SelfAttention` with rotary positions, on heads of even size.

    Args:
        num_heads, dropout, attention_dropout, use_bias, num_key_value_heads: as of
            `SelfAttention`.
        max_wavelength: float, `theta`; see `rotary_tables`.
        halves: bool, which features are rotated together; see `apply_rotary`.

    Raises:
        ValueError: if the heads do not divide the width, or the groups the heads, or the heads
            have an odd size.

    Example:

    >>> tuple(md4keras.layers.RotarySelfAttention(num_heads=2)(np.ones((2, 3, 8))).shape)
    (2, 3, 8)
    """

    head_dim_multiple = 2

    def __init__(
        self,
        num_heads: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        use_bias: bool = False,
        num_key_value_heads: int | None = None,
        max_wavelength: float = MAX_WAVELENGTH,
        halves: bool = False,
        **kwargs,
    ):
        rates = dropout, attention_dropout
        super().__init__(num_heads, *rates, use_bias, num_key_value_heads, **kwargs)
        check_number("max_wavelength", max_wavelength, Interval(1, with_low=False))
        self.max_wavelength = float(max_wavelength)
        self.halves = bool(halves)

    def with_positions(self, query, key, positions=None):
        if positions is None:
            cos, sin = rotary_tables(ops.shape(query)[1], self.head_dim, self.max_wavelength)
        else:
            cos, sin = rotary_at(positions, self.head_dim, self.max_wavelength)
        return tuple(apply_rotary(each, cos, sin, self.halves) for each in (query, key))
