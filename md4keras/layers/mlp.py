"""The two-layer networks of a transformer block: gated, and plain."""

from keras import ops

from md4keras.checks import RATE, check_name, check_number, check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.dropout import Dropout
from md4keras.layers.initializers import Scaled
from md4keras.layers.modulation import ACTIVATIONS
from md4keras.layers.projections import dense, product


class TwoLayers(Layer):
    """Base of `GatedMLP` and `MLP`, in two parts: what comes before the activation, and after it.

    A subclass gives `project`, and `output` with `dropouts`, the layers that drop something in it.
    """

    def __init__(self, hidden_dim: int | None, dropout: float, **kwargs):
        super().__init__(**kwargs)
        if hidden_dim is not None:
            check_whole("hidden_dim", hidden_dim)
        self.hidden_dim = hidden_dim
        self.dropout_rate = float(check_number("dropout", dropout, RATE))

    def call(self, x, training=None):
        return self.output(*self.project(x), training=training)


@register
class GatedMLP(TwoLayers):
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

    Example:

    >>> mlp = md4keras.layers.GatedMLP("swiglu", hidden_dim=32)
    >>> tuple(mlp(np.ones((2, 3, 8))).shape), mlp.count_params()
    ((2, 3, 8), 768)

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
        super().__init__(hidden_dim, dropout, **kwargs)
        self.mlp_type = check_name("mlp_type", mlp_type, ACTIVATIONS)
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
            initializer = Scaled(self.initializer_scale)
            self.add_layer(dense(units, self.dtype_policy, name, False, initializer), shape)
        self.dropout.build(x_shape)

    def project(self, x):
        """What is gated, before the activation, and its gate: each `[B, L, hidden_dim]`."""
        return product(self.gate, x), product(self.input_projection, x)

    def output(self, gate, x, training=None):
        """The output `[B, L, width]` from what `project` returns."""
        x = ACTIVATIONS[self.mlp_type](gate) * x  # [B, L, hidden_dim]
        return self.dropout(product(self.output_projection, x), training=training)

    @property
    def dropouts(self) -> list:
        return [self.dropout]


@register
class MLP(TwoLayers):
    """`W_2 gelu(W_1 x + b_1) + b_2`, with GELU in its tanh form and dropout after both layers.

    Args:
        hidden_dim: int; `None` for four times the width.
        dropout: float in `[0, 1)`.
        hidden_dropout: float in `[0, 1)`, of the hidden layer; `None` for that of the output.

    Call arguments:
        x: float `[B, L, width]`.
        training: bool.

    Returns:
        tensor `[B, L, width]`.

    Example:

    >>> mlp = md4keras.layers.MLP()
    >>> tuple(mlp(np.ones((2, 3, 8))).shape), mlp.count_params()
    ((2, 3, 8), 552)
    """

    def __init__(
        self,
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        hidden_dropout: float | None = None,
        **kwargs,
    ):
        super().__init__(hidden_dim, dropout, **kwargs)
        self.hidden_dropout_rate = hidden_dropout
        rate = dropout if hidden_dropout is None else hidden_dropout
        self.hidden_dropout = Dropout(rate, dtype=self.dtype_policy, name="hidden_dropout")
        self.dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, x_shape):
        width = x_shape[-1]
        hidden_shape = (*x_shape[:-1], self.hidden_dim or 4 * width)
        self.add_layer(dense(hidden_shape[-1], self.dtype_policy, "hidden"), x_shape)
        self.hidden_dropout.build(hidden_shape)
        self.add_layer(dense(width, self.dtype_policy, "output_projection"), hidden_shape)
        self.dropout.build(x_shape)

    def project(self, x):
        """The hidden layer before its activation, `[B, L, hidden_dim]`, in a tuple."""
        return (product(self.hidden, x),)

    def output(self, x, training=None):
        """The output `[B, L, width]` from what `project` returns."""
        x = self.hidden_dropout(ops.gelu(x), training=training)
        return self.dropout(product(self.output_projection, x), training=training)

    @property
    def dropouts(self) -> list:
        return [self.hidden_dropout, self.dropout]
