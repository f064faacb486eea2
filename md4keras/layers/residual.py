"""The blocks of the image U-Net: a residual block and one-head self-attention over the pixels."""

import keras
from keras import ops

from md4keras.layers.dropout import Dropout
from md4keras.layers.validation import check_rate, check_size

GROUPS = 32
EPSILON = 1e-6


def group_norm(dtype, name: str):
    """Group normalisation with 32 groups and epsilon 1e-6, over channels last."""
    return keras.layers.GroupNormalization(GROUPS, epsilon=EPSILON, dtype=dtype, name=name)


def conv3x3(filters: int, dtype, name: str, kernel_initializer="lecun_normal"):
    """3x3 convolution of the same size, over channels last."""
    return keras.layers.Conv2D(
        filters,
        kernel_size=3,
        padding="same",
        data_format="channels_last",
        kernel_initializer=kernel_initializer,
        dtype=dtype,
        name=name,
    )


@keras.saving.register_keras_serializable(package="md4keras")
class ResidualBlock(keras.layers.Layer):
    """Norm, swish, conv, + conditioning, norm, swish, dropout, conv; added to the input.

    Where the width changes, a dense layer brings the input to the new one. The second convolution
    and the projection of the conditioning are zero at the start.

    Args:
        width: int, a multiple of 32 above 32: the number of output channels.
        conditioned: bool, whether there is a conditioning vector.
        dropout: float in `[0, 1)`.

    Call arguments:
        x: float `[B, H, W, channels]`, the channels a multiple of 32.
        conditioning: float `[B, any]`, or `None` for a block without conditioning.
        training: bool.

    Returns:
        tensor `[B, H, W, width]`.

    Reference: Kingma et al. 2021, *Variational Diffusion Models* (arXiv 2107.00630), Appendix B.
    """

    def __init__(self, width: int, conditioned: bool = False, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        check_width("width", width)
        check_rate("dropout", dropout)
        self.width = width
        self.conditioned = conditioned
        self.dropout_rate = float(dropout)
        dtype = self.dtype_policy
        self.norm_1 = group_norm(dtype, "norm_1")
        self.conv_1 = conv3x3(width, dtype, "conv_1")
        self.norm_2 = group_norm(dtype, "norm_2")
        self.dropout = Dropout(dropout, dtype=dtype, name="dropout")
        self.conv_2 = conv3x3(width, dtype, "conv_2", kernel_initializer="zeros")
        self.shortcut = None

    def build(self, x_shape, conditioning_shape=None):
        self._check_conditioning(conditioning_shape)
        hidden_shape = (*x_shape[:-1], self.width)
        self.norm_1.build(x_shape)
        self.conv_1.build(x_shape)
        self.norm_2.build(hidden_shape)
        self.dropout.build(hidden_shape)
        self.conv_2.build(hidden_shape)
        if self.conditioned:
            self.projection = keras.layers.Dense(
                self.width,
                use_bias=False,
                kernel_initializer="zeros",
                dtype=self.dtype_policy,
                name="projection",
            )
            self.projection.build(conditioning_shape)
        if x_shape[-1] != self.width:
            self.shortcut = _dense(self.width, self.dtype_policy, "shortcut")
            self.shortcut.build(x_shape)

    def call(self, x, conditioning=None, training=None):
        self._check_conditioning(conditioning)
        h = self.conv_1(ops.silu(self.norm_1(x)))  # [B, H, W, width]
        if self.conditioned:
            h = h + self.projection(conditioning)[:, None, None, :]
        h = self.dropout(ops.silu(self.norm_2(h)), training=training)
        h = self.conv_2(h)
        return h + (x if self.shortcut is None else self.shortcut(x))

    def _check_conditioning(self, conditioning):
        if (conditioning is not None) != self.conditioned:
            raise ValueError(
                "The block was made for other inputs. Expected a conditioning vector exactly if "
                f"`conditioned` is true. Received: conditioned={self.conditioned}, "
                f"conditioning={conditioning!r}. Change one of the two."
            )

    def compute_output_shape(self, x_shape, conditioning_shape=None):
        return (*x_shape[:-1], self.width)

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "conditioned": self.conditioned,
            "dropout": self.dropout_rate,
        }


@keras.saving.register_keras_serializable(package="md4keras")
class SelfAttention2D(keras.layers.Layer):
    """`x + Attention(norm(x))` with one head as wide as the input, over all pixels.

    Call arguments:
        x: float `[B, H, W, channels]`, the channels a multiple of 32.

    Returns:
        tensor `[B, H, W, channels]`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = group_norm(self.dtype_policy, "norm")

    def build(self, x_shape):
        self.norm.build(x_shape)
        for name in ("query", "key", "value", "output_projection"):
            dense = _dense(x_shape[-1], self.dtype_policy, name)
            dense.build(x_shape)
            setattr(self, name, dense)

    def call(self, x):
        h = self.norm(x)
        _, height, width, channels = ops.shape(x)
        one_head = (-1, height * width, 1, channels)
        query = ops.reshape(self.query(h), one_head)  # [B, H W, 1, channels]
        key = ops.reshape(self.key(h), one_head)
        value = ops.reshape(self.value(h), one_head)
        mixed = ops.dot_product_attention(query, key, value)
        mixed = ops.reshape(mixed, (-1, height, width, channels))  # [B, H, W, channels]
        return x + self.output_projection(mixed)

    def compute_output_shape(self, x_shape):
        return x_shape


def check_width(name: str, width) -> None:
    """Raises a `ValueError` unless 32 groups of more than one channel divide the width."""
    check_size(name, width)
    if width % GROUPS or width == GROUPS:
        raise ValueError(
            f"`{name}` does not suit a group normalisation with {GROUPS} groups. Expected a "
            f"multiple of {GROUPS}, at least {2 * GROUPS} (with one channel a group, the norm "
            f"would cancel the conditioning that is added before it). Received: {name}={width}. "
            f"Use {max(2, -(-width // GROUPS)) * GROUPS}."
        )


def _dense(units: int, dtype, name: str):
    return keras.layers.Dense(units, kernel_initializer="lecun_normal", dtype=dtype, name=name)
