"""The last layer of a network: from features to logits over the vocabulary.

Logits are float32 whatever the dtype policy, and so is their computation: the loss takes
differences of them. Heads are zero at the start (but for the tied one), so that a new network
predicts the uniform distribution.
"""

import keras
from keras import ops

from md4keras.checks import check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.policies import in_float32
from md4keras.layers.projections import conv3x3, dense


@register
class VocabularyHead(Layer):
    """Dense layer: logits of each position from its own features.

    Takes any leading shape, so that a caller can pick the positions whose logits it needs.

    Args:
        vocabulary_size: int `V`.
        use_bias: bool, whether a bias is added.

    Call arguments:
        features: float `[..., width]`.

    Returns:
        float32 tensor `[..., V]`.

    Example:

    >>> head = md4keras.layers.VocabularyHead(vocabulary_size=27)
    >>> tuple(head(np.ones((2, 3, 8))).shape)
    (2, 3, 27)
    """

    pointwise = True  # logits of a position need its features alone

    def __init__(self, vocabulary_size: int, use_bias: bool = False, **kwargs):
        super().__init__(**{**kwargs, "dtype": in_float32(kwargs.get("dtype"))})
        self.vocabulary_size = check_whole("vocabulary_size", vocabulary_size)
        self.use_bias = bool(use_bias)
        policy = self.dtype_policy
        self.projection = dense(vocabulary_size, policy, "projection", use_bias, "zeros")

    def build(self, features_shape):
        self.projection.build(features_shape)

    @property
    def linear_kernel(self):
        """`[width, V]` where logits are `features @ linear_kernel`; `None` when quantized.

        (Where there is a `linear_bias`, `[V]`, it is added.)
        """
        return None if self.projection.quantization_mode else self.projection.kernel

    @property
    def linear_bias(self):
        """`[V]`, what is added to `features @ linear_kernel`, or `None`."""
        return self.projection.bias

    def call(self, features):
        return self.projection(features)

    def compute_output_shape(self, features_shape):
        return (*features_shape[:-1], self.vocabulary_size)


@register
class TiedVocabularyHead(Layer):
    """As a `VocabularyHead` whose kernel is the table of the embedding, without the mask's row.

    Args:
        embedding: `keras.layers.Embedding` of the `V` tokens and the mask.

    Call arguments:
        features: float `[..., width]`.

    Returns:
        float32 tensor `[..., V]`.

    Example:

    >>> head = md4keras.layers.TiedVocabularyHead(keras.layers.Embedding(28, 8))
    >>> tuple(head(np.ones((2, 3, 8))).shape)
    (2, 3, 27)

    Reference: Press and Wolf 2016, *Using the Output Embedding to Improve Language Models*
    (arXiv 1608.05859).
    """

    pointwise = True

    def __init__(self, embedding, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.embedding = embedding
        self.vocabulary_size = embedding.input_dim - 1

    def build(self, features_shape):
        if not self.embedding.built:
            self.embedding.build((None,))

    @property
    def linear_kernel(self):
        """`[width, V]` where logits are `features @ linear_kernel`."""
        if self.embedding.quantization_mode:  # the rows that the few bits stand for
            table = self.embedding(ops.arange(self.vocabulary_size, dtype="int32"))
        else:
            table = self.embedding.embeddings[:-1]
        return ops.cast(ops.transpose(table), "float32")

    def call(self, features):
        return ops.matmul(ops.cast(features, "float32"), self.linear_kernel)

    def compute_output_spec(self, features):
        shape = (*features.shape[:-1], self.vocabulary_size)
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        embedding = keras.saving.serialize_keras_object(self.embedding)
        return {**super().get_config(), "embedding": embedding}

    @classmethod
    def from_config(cls, config):
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding})


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

    Example:

    >>> head = md4keras.layers.ImageVocabularyHead(vocabulary_size=17, num_channels=1)
    >>> tuple(head(np.ones((2, 4, 4, 8))).shape)
    (2, 4, 4, 1, 17)
    """

    pointwise = False

    def __init__(self, vocabulary_size: int, num_channels: int, **kwargs):
        super().__init__(**{**kwargs, "dtype": in_float32(kwargs.get("dtype"))})
        self.vocabulary_size = check_whole("vocabulary_size", vocabulary_size)
        self.num_channels = check_whole("num_channels", num_channels)
        self.conv = conv3x3(num_channels * vocabulary_size, self.dtype_policy, "conv", "zeros")

    def build(self, features_shape):
        self.conv.build(features_shape)

    def call(self, features):
        logits = self.conv(features)  # [B, H, W, C V]
        _, height, width, _ = ops.shape(logits)
        shape = (-1, height, width, self.num_channels, self.vocabulary_size)
        return ops.reshape(logits, shape)  # [B, H, W, C, V]

    def compute_output_shape(self, features_shape):
        return (*features_shape[:-1], self.num_channels, self.vocabulary_size)
