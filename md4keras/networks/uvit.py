"""The denoising network of larger images: a U-Net of several resolutions round a transformer."""

import math

import keras

from md4keras.layers import (
    AdaptiveGroupNorm,
    AdaptiveLayerNorm,
    DiTBlock,
    ImageVocabularyHead,
    PositionEmbedding2D,
    ResidualBlock,
)
from md4keras.layers.dit import ACTIVATION, EPSILON
from md4keras.layers.group_norm import GroupNorm, check_width
from md4keras.layers.modulation import rms_norm
from md4keras.layers.residual import conv3x3
from md4keras.layers.validation import check_size
from md4keras.networks.network import (
    Network,
    check_arguments,
    check_image_shape,
    get_dtype_policy,
    make_conditioning,
    make_inputs,
    token_embedding,
)

PATCH_SIZE = 2


@keras.saving.register_keras_serializable(package="md4keras")
class UViT(Network):
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
    >>> network = md4keras.networks.UViT(
    ...     vocabulary_size=17, image_shape=(8, 8, 1), num_layers=1, feature_dim=32,
    ...     num_dit_layers=2, num_heads=4, hidden_dim=64, channel_multipliers=(1, 2))
    >>> tuple(network({"tokens": np.full((2, 8, 8, 1), 17), "time": np.ones(2)}).shape)
    (2, 8, 8, 1, 17)

    Reference: Shi et al. 2024 (arXiv 2406.04329), Appendix; Hoogeboom et al. 2023, *simple
    diffusion* (arXiv 2301.11093), Section 3.3; Peebles and Xie 2023 (arXiv 2212.09748).
    """

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
        check_width("feature_dim", feature_dim, min_group_size=1)
        check_size("num_dit_layers", num_dit_layers)
        check_size("num_heads", num_heads)
        _check_hidden_dim(hidden_dim, num_heads)
        channel_multipliers = _check_multipliers(channel_multipliers)
        image_shape = check_image_shape(image_shape)
        _check_divisible(image_shape, channel_multipliers)
        dtype = get_dtype_policy(dtype)
        inputs = make_inputs(image_shape, time_features, num_classes)
        conditioning = make_conditioning(inputs, feature_dim, num_classes, label_dropout)
        conditioned = conditioning is not None
        with_conditioning = (conditioning,) if conditioned else ()

        def residual_block(x, width, name, resampling=None):
            block = ResidualBlock(
                width, conditioned, dropout, True, resampling, remat, dtype=dtype, name=name
            )
            return block(x, *with_conditioning)

        height, width, channels = image_shape
        x = token_embedding(vocabulary_size, feature_dim, dtype)(inputs["tokens"])
        x = _reshape(x, (height, width, channels * feature_dim), dtype, "flatten_channels")
        x = conv3x3(feature_dim, dtype, "input_conv")(x)  # [B, H, W, feature_dim]
        skips = [x]
        levels = list(enumerate(feature_dim * multiplier for multiplier in channel_multipliers))
        for level, width in levels:
            if level > 0:
                x = residual_block(x, x.shape[-1], f"down_{level}_resample", "down")
                skips.append(x)
            for index in range(num_layers):
                x = residual_block(x, width, f"down_{level}_{index}")
                skips.append(x)
        x = _to_patches(x, hidden_dim, dtype)
        for index in range(num_dit_layers):
            block = DiTBlock(
                num_heads, conditioned, dropout, remat, dtype=dtype, name=f"dit_{index}"
            )
            x = block(x, *with_conditioning)
        if conditioned:
            norm = AdaptiveLayerNorm(
                ACTIVATION, "adaln_zero", EPSILON, dtype=dtype, name="dit_norm"
            )
        else:
            norm = rms_norm(dtype, "dit_norm", EPSILON)
        x = _from_patches(norm(x, *with_conditioning), skips[-1].shape, dtype)
        for level, width in reversed(levels):
            for index in range(num_layers + 1):
                join = keras.layers.Concatenate(dtype=dtype, name=f"skip_{level}_{index}")
                x = residual_block(join([x, skips.pop()]), width, f"up_{level}_{index}")
            if level > 0:
                x = residual_block(x, width, f"up_{level}_resample", "up")
        if conditioned:
            norm = AdaptiveGroupNorm(dtype=dtype, name="output_norm")
        else:
            norm = GroupNorm(dtype=dtype, name="output_norm")
        x = norm(x, *with_conditioning)
        x = keras.layers.Activation("silu", dtype=dtype, name="output_activation")(x)
        head = ImageVocabularyHead(vocabulary_size, channels, name="head")
        super().__init__(inputs, x, head, dtype, **kwargs)
        self.set_common(
            vocabulary_size, image_shape, num_layers, feature_dim, time_features, num_classes
        )
        self.num_dit_layers = num_dit_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.channel_multipliers = channel_multipliers
        self.dropout = float(dropout)
        self.label_dropout = float(label_dropout)
        self.remat = remat

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": self.data_shape,
            "num_dit_layers": self.num_dit_layers,
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "channel_multipliers": self.channel_multipliers,
        }


def _to_patches(x, hidden_dim: int, dtype):
    """Feature map `[B, h, w, c]` -> embedded patches `[B, h/2 w/2, hidden_dim]`, with positions."""
    height, width = (size // PATCH_SIZE for size in x.shape[1:3])
    embed = keras.layers.Conv2D(
        hidden_dim,
        PATCH_SIZE,
        strides=PATCH_SIZE,
        data_format="channels_last",
        kernel_initializer="lecun_normal",
        dtype=dtype,
        name="patch_embedding",
    )
    x = _reshape(embed(x), (height * width, hidden_dim), dtype, "flatten_patches")
    return PositionEmbedding2D(height, width, dtype=dtype, name="positions")(x)


def _from_patches(x, map_shape, dtype):
    """Patches `[B, h/2 w/2, hidden_dim]` -> feature map of shape `[B, h, w, c]`."""
    _, height, width, channels = map_shape
    project = keras.layers.Dense(
        PATCH_SIZE**2 * channels, kernel_initializer="zeros", dtype=dtype, name="dit_projection"
    )
    grid = (height // PATCH_SIZE, width // PATCH_SIZE, PATCH_SIZE, PATCH_SIZE, channels)
    x = _reshape(project(x), grid, dtype, "split_patches")
    swap = keras.layers.Permute((1, 3, 2, 4, 5), dtype=dtype, name="interleave_patches")
    return _reshape(swap(x), (height, width, channels), dtype, "join_patches")


def _reshape(x, shape, dtype, name: str):
    return keras.layers.Reshape(shape, dtype=dtype, name=name)(x)


def _check_hidden_dim(hidden_dim, num_heads: int) -> None:
    check_size("hidden_dim", hidden_dim)
    multiple = math.lcm(4, num_heads)
    if hidden_dim % multiple:
        raise ValueError(
            "`hidden_dim` is split into heads, and into sines and cosines of two coordinates. "
            f"Expected a multiple of {multiple}. Received: hidden_dim={hidden_dim}, "
            f"num_heads={num_heads}. Use {-(-hidden_dim // multiple) * multiple}."
        )


def _check_multipliers(channel_multipliers) -> tuple[int, ...]:
    if not isinstance(channel_multipliers, (tuple, list)) or not channel_multipliers:
        raise ValueError(
            "`channel_multipliers` does not describe the resolutions. Expected whole numbers, one "
            f"a resolution. Received: channel_multipliers={channel_multipliers!r}. One resolution "
            "is (1,)."
        )
    for multiplier in channel_multipliers:
        check_size("channel_multipliers", multiplier)
    return tuple(channel_multipliers)


def _check_divisible(image_shape, channel_multipliers) -> None:
    multiple = PATCH_SIZE * 2 ** (len(channel_multipliers) - 1)
    if image_shape[0] % multiple or image_shape[1] % multiple:
        raise ValueError(
            "The image cannot be halved down to whole patches at the lowest resolution. Expected "
            f"height and width to be multiples of {multiple}. Received: "
            f"image_shape={image_shape!r}, channel_multipliers={channel_multipliers!r}. Crop or "
            "pad the images, or use fewer resolutions."
        )
