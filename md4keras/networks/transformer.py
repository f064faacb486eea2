"""The denoising network of text: a transformer with rotary positions."""

import keras

from md4keras.layers import AdaptiveLayerNorm, Dropout, TransformerBlock, VocabularyHead
from md4keras.layers.modulation import ACTIVATIONS, CONDITIONING_TYPES, rms_norm
from md4keras.layers.validation import check_name, check_size
from md4keras.networks.network import (
    Network,
    check_arguments,
    get_dtype_policy,
    make_conditioning,
    make_inputs,
    token_embedding,
)

EMBEDDINGS = ("inside", "outside")


@keras.saving.register_keras_serializable(package="md4keras")
class Transformer(Network):
    """Bidirectional transformer of width `num_heads * feature_dim`, as published for text.

    Takes sequences of any length; `sequence_length` is the usual one.

    Args:
        vocabulary_size: int `V`, without the mask.
        sequence_length: int `L`.
        num_layers: int.
        num_heads: int.
        feature_dim: int, even: the size of a head and of the conditioning vector.
        mlp_type: `"swiglu"`, `"geglu"` or `"glu"`.
        conditioning_type: `"adaln"` or `"adaln_zero"`; without effect where there is neither time
            nor label.
        time_features: `"t"` if the network is given the time, `"none"` if not.
        num_classes: int, or `None` for a network without labels.
        embedding: `"inside"` (tokens are embedded at full width) or `"outside"` (at size
            `feature_dim`, then projected: fewer parameters with a large vocabulary).
        dropout: float in `[0, 1)`.
        attention_dropout: bool, whether attention probabilities have dropout too.
        depth_scaled_init: bool, whether the MLP kernels start with variance
            `2 / (num_layers fan_in)`.
        label_dropout: float in `[0, 1)`, the probability of a label being replaced by the null
            label `num_classes` in training; above 0 the network has that label.
        remat: what training computes again in the backward pass instead of keeping it in memory:
            `None` (nothing), `"activations"` (norms, activations and attention weights: hardly
            more arithmetic) or `"full"` (whole blocks: a third more, the least memory).
        dtype: dtype policy; `None` for the global one.

    Call arguments:
        inputs: dictionary with `"tokens"` int `[B, L]`, `"time"` float `[B]` (if time is given)
            and `"label"` int `[B]` (if there are classes).
        training: bool.

    Returns:
        float32 tensor `[B, L, V]`: logits.

    Example:

    >>> import md4keras, numpy as np
    >>> network = md4keras.networks.Transformer(
    ...     vocabulary_size=27, sequence_length=16, num_layers=2, num_heads=4, feature_dim=8)
    >>> tuple(network({"tokens": np.full((3, 16), 27), "time": np.ones(3)}).shape)
    (3, 16, 27)

    Reference: Shi et al. 2024 (arXiv 2406.04329), Appendix; Peebles and Xie 2023
    (arXiv 2212.09748).
    """

    def __init__(
        self,
        vocabulary_size: int,
        sequence_length: int,
        num_layers: int,
        num_heads: int,
        feature_dim: int,
        mlp_type: str = "swiglu",
        conditioning_type: str = "adaln",
        time_features: str = "t",
        num_classes: int | None = None,
        embedding: str = "inside",
        dropout: float = 0.0,
        attention_dropout: bool = True,
        depth_scaled_init: bool = False,
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
        check_size("sequence_length", sequence_length)
        check_size("num_heads", num_heads)
        check_name("mlp_type", mlp_type, ACTIVATIONS)
        check_name("conditioning_type", conditioning_type, CONDITIONING_TYPES)
        check_name("embedding", embedding, EMBEDDINGS)
        _check_even(feature_dim)
        dtype = get_dtype_policy(dtype)
        inputs = make_inputs((None,), time_features, num_classes)
        conditioning = make_conditioning(inputs, feature_dim, num_classes, label_dropout)

        width = num_heads * feature_dim
        if embedding == "outside":
            x = token_embedding(vocabulary_size, feature_dim, dtype)(inputs["tokens"])
            project = keras.layers.Dense(
                width,
                kernel_initializer="lecun_normal",
                dtype=dtype,
                name="embedding_projection",
            )
            x = project(x)  # [B, L, width]
        else:
            x = token_embedding(vocabulary_size, width, dtype)(inputs["tokens"])
            x = Dropout(dropout, dtype=dtype, name="embedding_dropout")(x)
        for index in range(num_layers):
            block = TransformerBlock(
                num_heads,
                mlp_type,
                None if conditioning is None else conditioning_type,
                dropout,
                dropout if attention_dropout else 0.0,
                mlp_initializer_scale=2.0 / num_layers if depth_scaled_init else 1.0,
                remat=remat,
                dtype=dtype,
                name=f"block_{index}",
            )
            x = block(x) if conditioning is None else block(x, conditioning)
        if conditioning is None:
            x = rms_norm(dtype, "output_norm")(x)
        else:
            norm = AdaptiveLayerNorm(mlp_type, conditioning_type, dtype=dtype, name="output_norm")
            x = norm(x, conditioning)
        super().__init__(inputs, x, VocabularyHead(vocabulary_size, name="head"), dtype, **kwargs)
        self.set_common(
            vocabulary_size,
            (sequence_length,),
            num_layers,
            feature_dim,
            time_features,
            num_classes,
        )
        self.num_heads = num_heads
        self.mlp_type = mlp_type
        self.conditioning_type = conditioning_type
        self.embedding = embedding
        self.dropout = float(dropout)
        self.attention_dropout = bool(attention_dropout)
        self.depth_scaled_init = bool(depth_scaled_init)
        self.label_dropout = float(label_dropout)
        self.remat = remat

    def get_config(self):
        return {
            **super().get_config(),
            "sequence_length": self.data_shape[0],
            "num_heads": self.num_heads,
            "mlp_type": self.mlp_type,
            "conditioning_type": self.conditioning_type,
            "embedding": self.embedding,
            "attention_dropout": self.attention_dropout,
            "depth_scaled_init": self.depth_scaled_init,
        }


def _check_even(feature_dim) -> None:
    if feature_dim % 2:
        raise ValueError(
            "`feature_dim` is the size of an attention head, which rotary positions split into "
            f"pairs. Expected an even number. Received: feature_dim={feature_dim}. "
            f"Use {feature_dim + 1}."
        )
