"""Blocks of the image networks: a residual block and one-head self-attention over the pixels."""

import functools

from keras import ops

from md4keras import backend
from md4keras.checks import RATE, check_name, check_number
from md4keras.layers.base import Layer, register
from md4keras.layers.conditioning import check_conditioning
from md4keras.layers.dropout import Dropout
from md4keras.layers.group_norm import GroupNorm, check_width, group_norm
from md4keras.layers.projections import conv3x3, dense
from md4keras.layers.remat import REMAT_MODES, rematerialize

RESAMPLING = (None, "down", "up")


@register
class ResidualBlock(Layer):
    """Norm, swish, conv, + conditioning, norm, swish, dropout, conv; added to the input.

    The conditioning comes in one of two ways: it is added after the first convolution, as in the
    U-Net, or scales and shifts what both norms return (`adaptive_norm`), as in the U-ViT. Where
    the width changes, a dense layer brings the input to the new one. The second convolution and
    the projections of the conditioning are zero at the start.

    Args:
        width: int, a multiple of 32 (above 32 unless `adaptive_norm`): the number of output
            channels.
        conditioned: bool, whether there is a conditioning vector.
        dropout: float in `[0, 1)`.
        adaptive_norm: bool, whether the conditioning adapts the norms.
        resampling: `"down"` (halves height and width, by averages of 2x2 pixels), `"up"` (doubles
            them, by repetition), or `None`. Input and first norm's output are resampled alike.
        remat: what the backward pass computes again; see `md4keras.layers.REMAT_MODES`.

    Call arguments:
        x: float `[B, H, W, channels]`, the channels a multiple of 32.
        conditioning: float `[B, any]`, or `None` for a block without conditioning.
        training: bool.

    Returns:
        tensor `[B, H, W, width]`, with `H` and `W` as resampled.

    Example:

    >>> block = md4keras.layers.ResidualBlock(64, conditioned=True)
    >>> tuple(block(np.ones((2, 4, 4, 32)), np.ones((2, 8))).shape)
    (2, 4, 4, 64)

    Reference: Kingma et al. 2021, *Variational Diffusion Models* (arXiv 2107.00630), Appendix B;
    Dhariwal and Nichol 2021 (arXiv 2105.05233), Section 3, for adaptive norms and resampling.
    """

    def __init__(
        self,
        width: int,
        conditioned: bool = False,
        dropout: float = 0.0,
        adaptive_norm: bool = False,
        resampling: str | None = None,
        remat: str | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_width("width", width, min_group_size=1 if adaptive_norm else 2)
        self.width = width
        self.conditioned = conditioned
        self.dropout_rate = float(check_number("dropout", dropout, RATE))
        self.adaptive_norm = adaptive_norm
        self.resampling = check_name("resampling", resampling, RESAMPLING)
        self.remat = check_name("remat", remat, REMAT_MODES)
        self.projection = None
        self.shortcut = None

    def build(self, x_shape, conditioning_shape=None):
        check_conditioning(self.conditioned, conditioning_shape)
        dtype = self.dtype_policy
        resampled_shape = self._resampled_shape(x_shape)
        hidden_shape = (*resampled_shape[:-1], self.width)
        adapting_shape = (conditioning_shape,) if self._adapts_norms else ()
        self.add_layer(group_norm(self._adapts_norms, dtype, "norm_1"), x_shape, *adapting_shape)
        self.add_layer(conv3x3(self.width, dtype, "conv_1"), resampled_shape)
        self.add_layer(
            group_norm(self._adapts_norms, dtype, "norm_2"), hidden_shape, *adapting_shape
        )
        self.add_layer(Dropout(self.dropout_rate, dtype=dtype, name="dropout"), hidden_shape)
        self.add_layer(conv3x3(self.width, dtype, "conv_2", "zeros"), hidden_shape)
        if self.conditioned and not self.adaptive_norm:
            projection = dense(self.width, dtype, "projection", False, "zeros")
            self.add_layer(projection, conditioning_shape)
        if x_shape[-1] != self.width:
            self.add_layer(dense(self.width, dtype, "shortcut"), resampled_shape)

    def call(self, x, conditioning=None, training=None):
        check_conditioning(self.conditioned, conditioning)
        x = rematerialize(
            functools.partial(self._transform, training=training),
            backend.keep_rows(x),
            conditioning,
            dropouts=[self.dropout],
            when=bool(training) and self.remat == "full",
        )
        return backend.keep_rows(x)

    def _transform(self, x, conditioning, training):
        when = bool(training) and self.remat == "activations"
        adapting = (conditioning,) if self._adapts_norms else ()
        recompute = functools.partial(rematerialize, when=when, through_weights=True)
        # A convolution needs its input alone in the backward pass, so it is not done twice.
        h = recompute(
            lambda x, *adapting: self.conv_1(self._resample(ops.silu(self.norm_1(x, *adapting)))),
            x,
            *adapting,
        )  # [B, H, W, width]
        if self.projection is not None:
            h = h + self.projection(conditioning)[:, None, None, :]
        h = recompute(lambda h, *adapting: ops.silu(self.norm_2(h, *adapting)), h, *adapting)
        h = self.conv_2(self.dropout(h, training=training))
        x = self._resample(x)
        return h + (x if self.shortcut is None else self.shortcut(x))

    @property
    def _adapts_norms(self) -> bool:
        return self.conditioned and self.adaptive_norm

    def _resample(self, x):
        if self.resampling == "down":
            return ops.average_pool(x, 2, 2, "valid", "channels_last")
        if self.resampling == "up":
            return ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2)
        return x

    def _resampled_shape(self, x_shape):
        batch, *sizes, channels = x_shape
        times, by = {"down": (1, 2), "up": (2, 1), None: (1, 1)}[self.resampling]
        return (batch, *(size and size * times // by for size in sizes), channels)

    def compute_output_shape(self, x_shape, conditioning_shape=None):
        return (*self._resampled_shape(x_shape)[:-1], self.width)


@register
class SelfAttention2D(Layer):
    """`x + Attention(norm(x))` with one head as wide as the input, over all pixels.

    Args:
        remat: what the backward pass computes again; see `md4keras.layers.REMAT_MODES`.

    Call arguments:
        x: float `[B, H, W, channels]`, the channels a multiple of 32.

    Returns:
        tensor `[B, H, W, channels]`.

    Example:

    >>> tuple(md4keras.layers.SelfAttention2D()(np.ones((2, 4, 4, 32))).shape)
    (2, 4, 4, 32)
    """

    def __init__(self, remat: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.remat = check_name("remat", remat, REMAT_MODES)
        self.norm = GroupNorm(dtype=self.dtype_policy, name="norm")

    def build(self, x_shape):
        self.norm.build(x_shape)
        for name in ("query", "key", "value", "output_projection"):
            self.add_layer(dense(x_shape[-1], self.dtype_policy, name), x_shape)

    def call(self, x, training=None):
        return rematerialize(self._attend, x, when=bool(training) and self.remat == "full")

    def _attend(self, x):
        h = self.norm(x)
        _, height, width, channels = ops.shape(x)
        one_head = (-1, height * width, 1, channels)
        query = ops.reshape(self.query(h), one_head)  # [B, H W, 1, channels]
        key = ops.reshape(self.key(h), one_head)
        value = ops.reshape(self.value(h), one_head)
        mixed = ops.dot_product_attention(query, key, value)
        mixed = ops.reshape(mixed, (-1, height, width, channels))  # [B, H, W, channels]
        return x + self.output_projection(mixed)
