"""Models: a network, a schedule and an objective, as `keras.Model`s."""

from md4keras.models.block_diffusion import BlockDiffusion
from md4keras.models.genmd4 import GenMD4
from md4keras.models.md4 import MD4

__all__ = ["MD4", "BlockDiffusion", "GenMD4"]
