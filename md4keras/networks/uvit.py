"""The denoising network of larger images: a U-Net of several resolutions round a transformer."""

import math

from keras import ops

from md4keras.checks import check_sizes, check_whole
from md4keras.layers import AdaptiveLayerNorm, DiTBlock, PositionEmbedding2D
from md4keras.layers.base import register
from md4keras.layers.blocks import DIT_ACTIVATION, DIT_EPSILON
from md4keras.layers.convolution import Conv2D
from md4keras.layers.initializers import Scaled
from md4keras.layers.modulation import rms_norm
from md4keras.layers.projections import dense
from md4keras.networks.image import ImageNetwork

PATCH_SIZE = 2


@register
class UViT(ImageNetwork):
    """U-Net whose middle is a diffusion transformer (DiT), as published for ImageNet 64.

    Each channel value of a pixel is embedded on its own. Every resolution has `num_layers`
    residual blocks on the way down and `num_layers + 1` on the way up, each of the latter with the
    output of its counterpart below joined to its input; between two resolutions, a residual block
    halves or doubles height and width. The core at the lowest resolution works on patches of 2x2
    pixels. Conditioning adapts all norms.

    Args:
        vocabulary_size: int `V`, the number of levels of a channel.
        image_shape: `(H, W, C)`, with `H` and `W` multiples of 2 to the number of resolutions.
        num_layers: int, residual blocks a resolution.
        feature_dim: int, a multiple of 32: the width at the highest resolution, and the size of
            the conditioning vector.
        num_dit_layers: int, transformer blocks of the core.
        num_heads: int, of the core.
        hidden_dim: int, the width of the core: a multiple of 4 and of `num_heads`.
        channel_multipliers: ints, one a resolution, from the highest to the lowest: the widths in
            units of `feature_dim`.
        kwargs: what all networks take, such as `num_classes` and `dropout`; see `Network`, also for
            the inputs, with tokens `[B, H, W, C]`, and the logits, `[B, H, W, C, V]`.

    Example:

    >>> import md4keras, numpy as np
    >>> network = md4keras.networks.UViT(
    ...     vocabulary_size=17, image_shape=(8, 8, 1), num_layers=1, feature_dim=32,
    ...     num_dit_layers=2, num_heads=4, hidden_dim=64, channel_multipliers=(1, 2))
    >>> tuple(network({"tokens": np.full((2, 8, 8, 1), 17), "time": np.ones(2)}).shape)
    (2, 8, 8, 1, 17)

    Reference: Shi et al. 2024 (arXiv 2406.04329), Appendix; Hoogeboom et al. 2023, *simple
    diffusion* (arXiv 2301.11093), Section 3.3; Peebles and Xie 2023 (arXiv 2212.09748).
    """

    adaptive_norm = True

    def __init__(
        self,
        vocabulary_size: int,
        image_shape,
        num_layers: int,
        feature_dim: int,
        num_dit_layers: int,
        num_heads: int,
        hidden_dim: int,
        channel_multipliers=(1,),
        **kwargs,
    ):
        self.num_dit_layers = check_whole("num_dit_layers", num_dit_layers)
        self.num_heads = check_whole("num_heads", num_heads)
        _check_hidden_dim(hidden_dim, num_heads)
        self.hidden_dim = hidden_dim
        self.channel_multipliers = check_sizes(
            "channel_multipliers", channel_multipliers, mend="One resolution is (1,)."
        )
        super().__init__(vocabulary_size, image_shape, num_layers, feature_dim, **kwargs)

    def make_layers(self, dtype):
        _check_divisible(self.image_shape, self.channel_multipliers)
        super().make_layers(dtype)
        levels = [(k, self.feature_dim * by) for k, by in enumerate(self.channel_multipliers)]
        self.down_blocks, channels = [], self.feature_dim
        for level, width in levels:
            if level > 0:
                name = f"down_{level}_resample"
                self.down_blocks.append(self.residual_block(channels, dtype, name, "down"))
            for index in range(self.num_layers):
                self.down_blocks.append(self.residual_block(width, dtype, f"down_{level}_{index}"))
                channels = width
        self.up_blocks = []
        for level, width in reversed(levels):
            for index in range(self.num_layers + 1):
                self.up_blocks.append(self.residual_block(width, dtype, f"up_{level}_{index}"))
            if level > 0:
                name = f"up_{level}_resample"
                self.up_blocks.append(self.residual_block(width, dtype, name, "up"))
        self._make_core(channels, dtype)

    def _make_core(self, channels: int, dtype) -> None:
        """The layers of the middle, for a feature map of that many channels."""
        shrinking = PATCH_SIZE * 2 ** (len(self.channel_multipliers) - 1)
        height, width = (size // shrinking for size in self.data_shape[:2])  # of the patches
        self.patch_embedding = Conv2D(
            self.hidden_dim,
            PATCH_SIZE,
            strides=PATCH_SIZE,
            data_format="channels_last",
            # Its seed is drawn when the weights are: in the order of the graph, as all others.
            kernel_initializer=lambda shape, dtype: Scaled()(shape, dtype),
            dtype=dtype,
            name="patch_embedding",
        )
        self.position_embedding = PositionEmbedding2D(height, width, dtype=dtype, name="positions")
        arguments = (self.num_heads, self.conditioned, self.dropout, self.remat)
        self.dit_blocks = [
            DiTBlock(*arguments, dtype=dtype, name=f"dit_{index}")
            for index in range(self.num_dit_layers)
        ]
        if self.conditioned:
            self.dit_norm = AdaptiveLayerNorm(
                DIT_ACTIVATION, "adaln_zero", DIT_EPSILON, dtype=dtype, name="dit_norm"
            )
        else:
            self.dit_norm = rms_norm(dtype, "dit_norm", DIT_EPSILON)
        units = PATCH_SIZE**2 * channels
        self.dit_projection = dense(units, dtype, "dit_projection", True, "zeros")

    def middle(self, x, conditioning):
        map_shape = x.shape
        x = self.position_embedding(self.to_patches(x))
        for block in self.dit_blocks:
            x = block(x, conditioning)
        x = self.dit_norm(x, conditioning) if self.conditioned else self.dit_norm(x)
        return self.from_patches(x, map_shape)

    def to_patches(self, x):
        """Feature map `[B, h, w, c]` -> embedded patches `[B, h/2 w/2, hidden_dim]`."""
        x = self.patch_embedding(x)  # [B, h/2, w/2, hidden_dim]
        return ops.reshape(x, (-1, x.shape[1] * x.shape[2], self.hidden_dim))

    def from_patches(self, x, map_shape):
        """Patches `[B, h/2 w/2, hidden_dim]` -> feature map of shape `[B, h, w, c]`."""
        _, height, width, channels = map_shape
        grid = (height // PATCH_SIZE, width // PATCH_SIZE, PATCH_SIZE, PATCH_SIZE, channels)
        x = ops.reshape(self.dit_projection(x), (-1, *grid))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # rows of patches and of pixels side by side
        return ops.reshape(x, (-1, height, width, channels))


def _check_hidden_dim(hidden_dim, num_heads: int) -> None:
    check_whole("hidden_dim", hidden_dim)
    multiple = math.lcm(4, num_heads)
    if hidden_dim % multiple:
        raise ValueError(
            "`hidden_dim` is split into heads, and into sines and cosines of two coordinates. "
            f"Expected a multiple of {multiple}. Received: hidden_dim={hidden_dim}, "
            f"num_heads={num_heads}. Use {-(-hidden_dim // multiple) * multiple}."
        )


def _check_divisible(image_shape, channel_multipliers) -> None:
    multiple = PATCH_SIZE * 2 ** (len(channel_multipliers) - 1)
    if image_shape[0] % multiple or image_shape[1] % multiple:
        raise ValueError(
            "The image cannot be halved down to whole patches at the lowest resolution. Expected "
            f"height and width to be multiples of {multiple}. Received: "
            f"image_shape={image_shape!r}, channel_multipliers={channel_multipliers!r}. Crop or "
            "pad the images, or use fewer resolutions."
        )
