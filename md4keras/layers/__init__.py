"""Layers of the denoising networks."""

from md4keras.layers.attention import RotarySelfAttention, apply_rotary, rotary_tables
from md4keras.layers.conditioning import ConditioningMLP, LabelEmbedding, TimeEmbedding
from md4keras.layers.dropout import Dropout
from md4keras.layers.head import ImageVocabularyHead, VocabularyHead
from md4keras.layers.modulation import AdaptiveLayerNorm, Modulation, modulate
from md4keras.layers.residual import ResidualBlock, SelfAttention2D
from md4keras.layers.transformer import GatedMLP, TransformerBlock

__all__ = [
    "AdaptiveLayerNorm",
    "ConditioningMLP",
    "Dropout",
    "GatedMLP",
    "ImageVocabularyHead",
    "LabelEmbedding",
    "Modulation",
    "ResidualBlock",
    "RotarySelfAttention",
    "SelfAttention2D",
    "TimeEmbedding",
    "TransformerBlock",
    "VocabularyHead",
    "apply_rotary",
    "modulate",
    "rotary_tables",
]
