"""MDLM's and BD3LM's network of text: a DiT with rotary positions."""

from keras import ops

from md4keras.checks import check_whole
from md4keras.layers import (
    AdaptiveLayerNorm,
    ConditioningMLP,
    LabelEmbedding,
    RotaryDiTBlock,
    TimeEmbedding,
    VocabularyHead,
    attended_and_positions,
    attended_by_noised,
    attended_in_blocks,
)
from md4keras.layers.attention import check_heads
from md4keras.layers.base import register
from md4keras.layers.two_streams import TwoStreams
from md4keras.networks.cached import Cached
from md4keras.networks.network import Network

EPS = 1e-3
FREQUENCY_DIM = 256
"""Of the sinusoidal embedding of the noise level."""


@register
class DiT(Cached, Network):
    """Bidirectional diffusion transformer, as published with MDLM, and in blocks with BD3LM.

    Pre-norm blocks, whose norms (with a learned scale) are shifted, scaled and gated by a
    conditioning vector: an MLP of the embedded noise level `sigma = -log(1 - (1 - 1e-3) t)`, and of
    0 in a network without time. That of a label is added to it.

    Args:
        vocabulary_size: int `V`, without the mask.
        sequence_length: int `L`, the usual length; texts of any length will do.
        num_layers: int.
        num_heads: int, a divisor of `hidden_dim` that leaves heads of even size.
        hidden_dim: int, the width.
        feature_dim: int, the size of the conditioning vector.
        time_features: `"none"` if the network is not given the time, as published, or `"t"`.
        kwargs: what all networks take, such as `num_classes`, `dropout` (of the outputs of
            attention and MLPs) and `remat`; see `Network`.

    Call arguments:
        inputs: dictionary, as of every `Network`, with `"tokens"` int `[B, L]`, which may have a
            `"padding_mask"` or `"segment_ids"`, as that of a `Transformer`; or `"blocks"` int
            `[B, L]` (or `[1, L]`), the number of each token's block: tokens then see their own
            block and those before it. With `"clean"` int `[B, L]` besides, they see their own
            block of `"tokens"`, and the blocks before it of `"clean"`.
        training: bool.

    Returns:
        float32 tensor `[B, L, V]`: logits.

    Example:

    >>> import md4keras, numpy as np
    >>> network = md4keras.networks.DiT(
    ...     vocabulary_size=27, sequence_length=16, num_layers=2, num_heads=4, hidden_dim=32)
    >>> zt = np.full((3, 16), 27)
    >>> tuple(network({"tokens": zt}).shape)
    (3, 16, 27)
    >>> blocks = np.arange(16)[None] // 4
    >>> tuple(network({"tokens": zt, "blocks": blocks, "clean": np.zeros((3, 16))}).shape)
    (3, 16, 27)

    Reference: Sahoo et al. 2024, *Simple and Effective Masked Diffusion Language Models*
    (arXiv 2406.07524); Arriola et al. 2025, *Block Diffusion* (arXiv 2503.09573), for blocks;
    Peebles and Xie 2023 (arXiv 2212.09748).
    """

    takes_padding_mask = True
    takes_segment_ids = True
    takes_blocks = True

    def __init__(
        self,
        vocabulary_size: int,
        sequence_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        feature_dim: int = 128,
        time_features: str = "none",
        **kwargs,
    ):
        self.sequence_length = check_whole("sequence_length", sequence_length)
        self.num_heads = check_whole("num_heads", num_heads)
        self.hidden_dim = check_whole("hidden_dim", hidden_dim)
        check_heads("hidden_dim", hidden_dim, num_heads)
        arguments = (sequence_length,), num_layers, feature_dim, time_features
        super().__init__(vocabulary_size, *arguments, **kwargs)

    def _condition(self, inputs, dtype):
        sigma = ops.zeros_like(inputs["tokens"][:, 0], dtype="float32")  # [B]
        if self.time_conditioned:
            sigma = -ops.log1p(-(1.0 - EPS) * inputs["time"])
        embedding = TimeEmbedding(FREQUENCY_DIM, 1.0, with_last=False, name="noise_embedding")
        self.conditioning_mlp = ConditioningMLP(
            self.feature_dim, self.feature_dim, dtype=dtype, name="conditioning"
        )
        vector = self.conditioning_mlp(embedding(sigma))
        if self.num_classes is None:
            return vector
        self.label_embedding = LabelEmbedding(
            self.num_classes, self.feature_dim, self.label_dropout, name="label_embedding"
        )
        return vector + self.label_embedding(inputs["label"])

    def make_layers(self, dtype):
        self.token_embedding = self.make_token_embedding(self.hidden_dim, dtype)
        self.blocks = [
            RotaryDiTBlock(
                self.num_heads, self.dropout, self.remat, dtype=dtype, name=f"block_{index}"
            )
            for index in range(self.num_layers)
        ]
        self.output_norm = AdaptiveLayerNorm(
            "swiglu", "adaln_zero", norm_scale=True, dtype=dtype, name="output_norm"
        )
        self.head = VocabularyHead(self.vocabulary_size, True, dtype=dtype, name="head")

    def connect(
        self, tokens, conditioning, padding_mask=None, segment_ids=None, blocks=None, clean=None
    ):
        if blocks is None:
            mask, positions = attended_and_positions(padding_mask, segment_ids)
        else:
            mask, positions = attended_in_blocks(blocks)
        x = self.token_embedding(tokens)  # [B, L, hidden_dim]
        if clean is None:
            for block in self.blocks:
                x = block(x, conditioning, mask, positions)
            return self.output_norm(x, conditioning)
        clean, noised_mask = self.token_embedding(clean), attended_by_noised(blocks)
        for block in self.blocks:
            streams = TwoStreams(block)
            x, clean = streams(x, clean, conditioning, noised_mask, mask, positions)
        return self.output_norm(x, conditioning)

    @property
    def conditioned(self) -> bool:
        """Whether there is a conditioning vector; here, without time and label too."""
        return True
