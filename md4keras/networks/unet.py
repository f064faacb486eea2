"""The denoising network of small images: a U-Net at one resolution."""

import keras

from md4keras.layers import ImageVocabularyHead, ResidualBlock, SelfAttention2D
from md4keras.layers.group_norm import GroupNorm, check_width
from md4keras.layers.residual import conv3x3
from md4keras.networks.network import (
    Network,
    check_arguments,
    check_image_shape,
    get_dtype_policy,
    make_conditioning,
    make_inputs,
    token_embedding,
)


@keras.saving.register_keras_serializable(package="md4keras")
class UNet(Network):
    """U-Net without down- or upsampling, as published for CIFAR-10.

    Each channel value of a pixel is embedded on its own. `num_layers` residual blocks go down,
    block, self-attention, block are the middle, and `num_layers + 1` blocks go up, each with the
    output of its counterpart below joined to its input.

    Args:
        vocabulary_size: int `V`, the number of levels of a channel.
        image_shape: `(H, W, C)`.
        num_layers: int.
        feature_dim: int, a multiple of 32 above 32: the width.
        time_features: `"t"` if the network is given the time, `"none"` if not.
        num_classes: int, or `None` for a network without labels.
        dropout: float in `[0, 1)`.
        label_dropout: float in `[0, 1)`, the probability of a label being replaced by the null
            label `num_classes` in training; above 0 the network has that label.
        remat: what training computes again in the backward pass instead of keeping it in memory:
            `None` (nothing), `"activations"` (norms, activations and attention weights: hardly
            more arithmetic) or `"full"` (whole blocks: a third more, the least memory).
        dtype: dtype policy; `None` for the global one.

    Call arguments:
        inputs: dictionary with `"tokens"` int `[B, H, W, C]`, `"time"` float `[B]` (if time is
            given) and `"label"` int `[B]` (if there are classes).
        training: bool.

    Returns:
        float32 tensor `[B, H, W, C, V]`: logits.

    Example:

    >>> import md4keras, numpy as np
    >>> network = md4keras.networks.UNet(
    ...     vocabulary_size=17, image_shape=(8, 8, 1), num_layers=1, feature_dim=64)
    >>> tuple(network({"tokens": np.full((2, 8, 8, 1), 17), "time": np.ones(2)}).shape)
    (2, 8, 8, 1, 17)

    Reference: Shi et al. 2024 (arXiv 2406.04329), Appendix; Kingma et al. 2021, *Variational
    Diffusion Models* (arXiv 2107.00630), Appendix B.
    """

    def __init__(
        self,
        vocabulary_size: int,
        image_shape,
        num_layers: int,
        feature_dim: int,
        time_features: str = "t",
        num_classes: int | None = None,
        dropout: float = 0.0,
        label_dropout: float = 0.0,
        remat: str | None = "activations",
        dtype=None,
        **kwargs,
    ):
        check_arguments(
            vocabulary_size,
            num_layers,
            feature_dim,
            time_features,
            num_classes,
            dropout,
            label_dropout,
            remat,
        )
        check_width("feature_dim", feature_dim)
        height, width, channels = check_image_shape(image_shape)
        dtype = get_dtype_policy(dtype)
        inputs = make_inputs((height, width, channels), time_features, num_classes)
        conditioning = make_conditioning(inputs, feature_dim, num_classes, label_dropout)

        def residual_block(x, name):
            block = ResidualBlock(
                feature_dim, conditioning is not None, dropout, remat=remat, dtype=dtype, name=name
            )
            return block(x) if conditioning is None else block(x, conditioning)

        x = token_embedding(vocabulary_size, feature_dim, dtype)(inputs["tokens"])
        flatten = keras.layers.Reshape(
            (height, width, channels * feature_dim), dtype=dtype, name="flatten_channels"
        )
        x = conv3x3(feature_dim, dtype, "input_conv")(flatten(x))  # [B, H, W, feature_dim]
        skips = [x]
        for index in range(num_layers):
            x = residual_block(x, f"down_{index}")
            skips.append(x)
        x = residual_block(x, "middle_0")
        x = SelfAttention2D(remat, dtype=dtype, name="middle_attention")(x)
        x = residual_block(x, "middle_1")
        for index in range(num_layers + 1):
            join = keras.layers.Concatenate(dtype=dtype, name=f"skip_{index}")
            x = residual_block(join([x, skips.pop()]), f"up_{index}")
        x = GroupNorm(dtype=dtype, name="output_norm")(x)
        x = keras.layers.Activation("silu", dtype=dtype, name="output_activation")(x)
        head = ImageVocabularyHead(vocabulary_size, channels, name="head")
        super().__init__(inputs, x, head, dtype, **kwargs)
        self.set_common(
            vocabulary_size,
            (height, width, channels),
            num_layers,
            feature_dim,
            time_features,
            num_classes,
        )
        self.dropout = float(dropout)
        self.label_dropout = float(label_dropout)
        self.remat = remat

    def get_config(self):
        return {**super().get_config(), "image_shape": self.data_shape}
