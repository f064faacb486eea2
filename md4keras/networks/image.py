"""The base of the image networks: a way down, a middle, and a way up with skips."""

from keras import ops

from md4keras.checks import check_sizes
from md4keras.layers import ImageVocabularyHead, ResidualBlock
from md4keras.layers.group_norm import check_width, group_norm
from md4keras.layers.projections import conv3x3
from md4keras.networks.network import Network


class ImageNetwork(Network):
    """Base of `UNet` and `UViT`; each channel value of a pixel is embedded on its own.

    A subclass makes `down_blocks` and `up_blocks`, lists of residual blocks in the order in which
    they are called, and gives `middle`. Blocks on the way up are called with the outputs of those
    on the way down joined to their inputs, the last first (but for those that double the size).
    """

    adaptive_norm = False
    """Whether the conditioning adapts all norms; see `ResidualBlock`."""

    def __init__(
        self, vocabulary_size: int, image_shape, num_layers: int, feature_dim: int, **kwargs
    ):
        check_width("feature_dim", feature_dim, min_group_size=1 if self.adaptive_norm else 2)
        mend = "Grey images have one channel: (8, 8, 1)."
        self.image_shape = check_sizes("image_shape", image_shape, 3, mend)
        super().__init__(vocabulary_size, self.image_shape, num_layers, feature_dim, **kwargs)

    def default_lora_layer_names(self):
        """The layers that get adapters: convolutions of the blocks, and attention's products."""
        return [*super().default_lora_layer_names(), "conv_1", "conv_2", "shortcut"]

    def make_layers(self, dtype):
        self.token_embedding = self.make_token_embedding(self.feature_dim, dtype)
        self.input_conv = conv3x3(self.feature_dim, dtype, "input_conv")
        adaptive = self.adaptive_norm and self.conditioned
        self.output_norm = group_norm(adaptive, dtype, "output_norm")
        self.head = ImageVocabularyHead(
            self.vocabulary_size, self.data_shape[-1], dtype=dtype, name="head"
        )

    def residual_block(self, width: int, dtype, name: str, resampling: str | None = None):
        """A new residual block of this network."""
        arguments = (self.conditioned, self.dropout, self.adaptive_norm, resampling, self.remat)
        return ResidualBlock(width, *arguments, dtype=dtype, name=name)

    def connect(self, tokens, conditioning):
        height, width, channels = self.data_shape
        x = self.token_embedding(tokens)  # [B, H, W, C, feature_dim]
        x = ops.reshape(x, (-1, height, width, channels * self.feature_dim))
        x = self.input_conv(x)  # [B, H, W, feature_dim]
        skips = [x]
        for block in self.down_blocks:
            x = block(x, conditioning)
            skips.append(x)
        x = self.middle(x, conditioning)
        for block in self.up_blocks:
            if block.resampling is None:
                x = ops.concatenate([x, skips.pop()], axis=-1)
            x = block(x, conditioning)
        adapting = (conditioning,) if self.adaptive_norm and self.conditioned else ()
        return ops.silu(self.output_norm(x, *adapting))

    def middle(self, x, conditioning):
        """The feature map `[B, h, w, width]` at the lowest resolution, transformed."""
        raise NotImplementedError
