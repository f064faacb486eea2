"""Layers of the denoising networks."""

from md4keras.layers.attention import RotarySelfAttention, SelfAttention
from md4keras.layers.block_attention import attended_after, attended_by_noised, attended_in_blocks
from md4keras.layers.blocks import DiTBlock, LlamaBlock, RotaryDiTBlock, TransformerBlock
from md4keras.layers.conditioning import ConditioningMLP, LabelEmbedding, TimeEmbedding
from md4keras.layers.convolution import Conv2D
from md4keras.layers.dropout import Dropout
from md4keras.layers.group_norm import AdaptiveGroupNorm, GroupNorm
from md4keras.layers.head import ImageVocabularyHead, TiedVocabularyHead, VocabularyHead
from md4keras.layers.key_value_cache import Cache
from md4keras.layers.mlp import MLP, GatedMLP
from md4keras.layers.modulation import AdaptiveLayerNorm, Modulation, modulate
from md4keras.layers.positions import (
    PositionEmbedding,
    PositionEmbedding2D,
    apply_rotary,
    attended_and_positions,
    positions_from_first,
    positions_in_segments,
    rotary_at,
    rotary_tables,
)
from md4keras.layers.remat import REMAT_MODES
from md4keras.layers.residual import ResidualBlock, SelfAttention2D

__all__ = [
    "AdaptiveGroupNorm",
    "AdaptiveLayerNorm",
    "Cache",
    "ConditioningMLP",
    "Conv2D",
    "DiTBlock",
    "Dropout",
    "GatedMLP",
    "GroupNorm",
    "ImageVocabularyHead",
    "LabelEmbedding",
    "LlamaBlock",
    "MLP",
    "Modulation",
    "PositionEmbedding",
    "PositionEmbedding2D",
    "REMAT_MODES",
    "ResidualBlock",
    "RotaryDiTBlock",
    "RotarySelfAttention",
    "SelfAttention",
    "SelfAttention2D",
    "TiedVocabularyHead",
    "TimeEmbedding",
    "TransformerBlock",
    "VocabularyHead",
    "apply_rotary",
    "attended_after",
    "attended_and_positions",
    "attended_by_noised",
    "attended_in_blocks",
    "modulate",
    "positions_from_first",
    "positions_in_segments",
    "rotary_at",
    "rotary_tables",
]
