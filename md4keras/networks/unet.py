"""The denoising network of small images: a U-Net at one resolution."""

from md4keras.layers import SelfAttention2D
from md4keras.layers.base import register
from md4keras.networks.image import ImageNetwork


@register
class UNet(ImageNetwork):
    """U-Net without down- or upsampling, as published for CIFAR-10.

    Each channel value of a pixel is embedded on its own. `num_layers` residual blocks go down,
    block, self-attention, block are the middle, and `num_layers + 1` blocks go up, each with the
    output of its counterpart below joined to its input.

    Args:
        vocabulary_size: int `V`, the number of levels of a channel.
        image_shape: `(H, W, C)`.
        num_layers: int.
        feature_dim: int, a multiple of 32 above 32: the width.
        kwargs: what all networks take, such as `num_classes` and `dropout`; see `Network`, also for
            the inputs, with tokens `[B, H, W, C]`, and the logits, `[B, H, W, C, V]`.

    Example:

    >>> import md4keras, numpy as np
    >>> network = md4keras.networks.UNet(
    ...     vocabulary_size=17, image_shape=(8, 8, 1), num_layers=1, feature_dim=64)
    >>> tuple(network({"tokens": np.full((2, 8, 8, 1), 17), "time": np.ones(2)}).shape)
    (2, 8, 8, 1, 17)

    Reference: Shi et al. 2024 (arXiv 2406.04329), Appendix; Kingma et al. 2021, *Variational
    Diffusion Models* (arXiv 2107.00630), Appendix B.
    """

    def make_layers(self, dtype):
        super().make_layers(dtype)

        def blocks(place, count):
            names = (f"{place}_{index}" for index in range(count))
            return [self.residual_block(self.feature_dim, dtype, name) for name in names]

        self.down_blocks = blocks("down", self.num_layers)
        self.middle_blocks = blocks("middle", 2)
        self.middle_attention = SelfAttention2D(self.remat, dtype=dtype, name="middle_attention")
        self.up_blocks = blocks("up", self.num_layers + 1)

    def middle(self, x, conditioning):
        before, after = self.middle_blocks
        return after(self.middle_attention(before(x, conditioning)), conditioning)
