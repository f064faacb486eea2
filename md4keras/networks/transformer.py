"""The denoising network of text: a transformer with rotary positions."""

from md4keras.checks import check_name, check_whole
from md4keras.layers import (
    AdaptiveLayerNorm,
    Dropout,
    PositionEmbedding,
    TransformerBlock,
    VocabularyHead,
    attended_and_positions,
    positions_from_first,
)
from md4keras.layers.base import register
from md4keras.layers.modulation import ACTIVATIONS, CONDITIONING_TYPES, rms_norm
from md4keras.layers.projections import dense
from md4keras.networks.network import Network

EMBEDDINGS = ("inside", "outside")
POSITIONS = ("rotary", "learned")


@register
class Transformer(Network):
    """Bidirectional transformer of width `num_heads * feature_dim`, as published for text.

    Args:
        vocabulary_size: int `V`, without the mask.
        sequence_length: int `L`, the usual length, and the longest with learned positions; else
            texts of any length will do.
        num_layers: int.
        num_heads: int.
        feature_dim: int, even: the size of a head and of the conditioning vector.
        mlp_type: `"swiglu"`, `"geglu"` or `"glu"`.
        conditioning_type: `"adaln"` or `"adaln_zero"`; without effect where there is neither time
            nor label.
        embedding: `"inside"` (tokens are embedded at full width) or `"outside"` (at size
            `feature_dim`, then projected: fewer parameters with a large vocabulary).
        depth_scaled_init: bool, whether the MLP kernels start with variance
            `2 / (num_layers fan_in)`.
        positions: `"rotary"` (attention knows the distances of tokens, as published) or
            `"learned"` (and a trained vector for each position is added to the embedding). With
            rotary ones alone all masked positions look alike.
        kwargs: `attention_dropout`, bool, whether attention probabilities have dropout too (they
            have by default); and what all networks take, such as `num_classes` and `dropout`; see
            `Network`.

    Call arguments:
        inputs: dictionary, as of every `Network`, with `"tokens"` int `[B, L]`, which may have a
            `"padding_mask"` bool `[B, L]`: `True` for text, `False` for padding, which no token
            attends to and whose own logits mean nothing (positions are counted from the first
            `True`); or `"segment_ids"` int `[B, L]`, 0 for
            padding: tokens attend to those of the same number alone, and are counted from the
            first of them, so that each document has the logits of a row of its own.
        training: bool.

    Returns:
        float32 tensor `[B, L, V]`: logits.

    Raises:
        ValueError: when called, for a text longer than the learned positions.

    Example:

    >>> import md4keras, numpy as np
    >>> network = md4keras.networks.Transformer(
    ...     vocabulary_size=27, sequence_length=16, num_layers=2, num_heads=4, feature_dim=8)
    >>> tuple(network({"tokens": np.full((3, 16), 27), "time": np.ones(3)}).shape)
    (3, 16, 27)

    Reference: Shi et al. 2024 (arXiv 2406.04329), Appendix; Peebles and Xie 2023
    (arXiv 2212.09748).
    """

    takes_padding_mask = True
    takes_segment_ids = True

    def __init__(
        self,
        vocabulary_size: int,
        sequence_length: int,
        num_layers: int,
        num_heads: int,
        feature_dim: int,
        mlp_type: str = "swiglu",
        conditioning_type: str = "adaln",
        embedding: str = "inside",
        depth_scaled_init: bool = False,
        positions: str = "rotary",
        **kwargs,
    ):
        self.sequence_length = check_whole("sequence_length", sequence_length)
        self.num_heads = check_whole("num_heads", num_heads)
        self.mlp_type = check_name("mlp_type", mlp_type, ACTIVATIONS)
        check_name("conditioning_type", conditioning_type, CONDITIONING_TYPES)
        self.conditioning_type = conditioning_type
        self.embedding = check_name("embedding", embedding, EMBEDDINGS)
        self.depth_scaled_init = bool(depth_scaled_init)
        self.positions = check_name("positions", positions, POSITIONS)
        self.attention_dropout = bool(kwargs.pop("attention_dropout", True))
        self.max_length = sequence_length if positions == "learned" else None
        super().__init__(vocabulary_size, (sequence_length,), num_layers, feature_dim, **kwargs)

    def make_layers(self, dtype):
        if self.feature_dim % 2:
            raise ValueError(
                "`feature_dim` is the size of an attention head, which rotary positions split "
                f"into pairs. Expected an even number. Received: feature_dim={self.feature_dim}. "
                f"Use {self.feature_dim + 1}."
            )
        width = self.num_heads * self.feature_dim
        if self.embedding == "outside":
            self.token_embedding = self.make_token_embedding(self.feature_dim, dtype)
            self.embedding_projection = dense(width, dtype, "embedding_projection")
        else:
            self.token_embedding = self.make_token_embedding(width, dtype)
            self.embedding_dropout = Dropout(self.dropout, dtype=dtype, name="embedding_dropout")
        if self.positions == "learned":
            name = "position_embedding"
            self.position_embedding = PositionEmbedding(self.max_length, dtype=dtype, name=name)
        conditioning_type = self.conditioning_type if self.conditioned else None
        rates = (self.dropout, self.dropout if self.attention_dropout else 0.0)
        mlp_scale = 2.0 / max(self.num_layers, 1) if self.depth_scaled_init else 1.0
        arguments = (self.num_heads, self.mlp_type, conditioning_type, *rates, mlp_scale)
        self.blocks = [
            TransformerBlock(*arguments, self.remat, dtype=dtype, name=f"block_{index}")
            for index in range(self.num_layers)
        ]
        if self.conditioned:
            self.output_norm = AdaptiveLayerNorm(
                self.mlp_type, self.conditioning_type, dtype=dtype, name="output_norm"
            )
        else:
            self.output_norm = rms_norm(dtype, "output_norm")
        self.head = VocabularyHead(self.vocabulary_size, dtype=dtype, name="head")

    def connect(self, tokens, conditioning, padding_mask=None, segment_ids=None):
        mask, positions = attended_and_positions(padding_mask, segment_ids)
        places = positions if padding_mask is None else positions_from_first(mask)
        x = self.token_embedding(tokens)
        if self.embedding == "outside":
            x = self.embedding_projection(x)  # [B, L, width]
        if self.positions == "learned":
            x = self.position_embedding(x, places)
        if self.embedding == "inside":
            x = self.embedding_dropout(x)
        for block in self.blocks:
            x = block(x, conditioning, mask, positions)
        return self.output_norm(x, conditioning) if self.conditioned else self.output_norm(x)

    def get_config(self):
        return {**super().get_config(), "attention_dropout": self.attention_dropout}
