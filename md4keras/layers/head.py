"""The last layer of a network: from features to logits over the vocabulary.

Logits are float32 whatever the dtype policy, and so is their computation: the loss takes
differences of them. Heads are zero at the start, so that a new network predicts the uniform
distribution.
"""

from keras import ops

from md4keras.checks import check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.projections import conv3x3, dense


@register
class VocabularyHead(Layer):
    """Dense layer without bias: logits of each position from its own features.

    Takes any leading shape, so that a caller can pick the positions whose logits it needs.

    Args:
        vocabulary_size: int `V`.

    Call arguments:
        features: float `[..., width]`.

    Returns:
        float32 tensor `[..., V]`.
    """

    pointwise = True  # logits of a position need its features alone

    def __init__(self, vocabulary_size: int, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.vocabulary_size = check_whole("vocabulary_size", vocabulary_size)
        self.projection = dense(vocabulary_size, "float32", "projection", False, "zeros")

    def build(self, features_shape):
        self.projection.build(features_shape)

    @property
    def linear_kernel(self):
        """`[width, V]` where logits are `features @ linear_kernel`; `None` when quantized."""
        return None if self.projection.quantization_mode else self.projection.kernel

    def call(self, features):
        return self.projection(features)

    def compute_output_shape(self, features_shape):
        return (*features_shape[:-1], self.vocabulary_size)


@register
class ImageVocabularyHead(Layer):
    """3x3 convolution: logits of each channel of each pixel.

    Args:
        vocabulary_size: int `V`.
        num_channels: int `C`, of the image.

    Call arguments:
        features: float `[B, H, W, width]`.

    Returns:
        float32 tensor `[B, H, W, C, V]`.
    """

    pointwise = False

    def __init__(self, vocabulary_size: int, num_channels: int, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.vocabulary_size = check_whole("vocabulary_size", vocabulary_size)
        self.num_channels = check_whole("num_channels", num_channels)
        self.conv = conv3x3(num_channels * vocabulary_size, "float32", "conv", "zeros")

    def build(self, features_shape):
        self.conv.build(features_shape)

    def call(self, features):
        logits = self.conv(features)  # [B, H, W, C V]
        _, height, width, _ = ops.shape(logits)
        shape = (-1, height, width, self.num_channels, self.vocabulary_size)
        return ops.reshape(logits, shape)  # [B, H, W, C, V]

    def compute_output_shape(self, features_shape):
        return (*features_shape[:-1], self.num_channels, self.vocabulary_size)
