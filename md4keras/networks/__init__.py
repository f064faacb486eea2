"""Denoising networks: functional models from tokens, time and label to logits."""

from md4keras.networks.dit import DiT
from md4keras.networks.llama import Llama
from md4keras.networks.network import Network
from md4keras.networks.transformer import Transformer
from md4keras.networks.unet import UNet
from md4keras.networks.uvit import UViT

__all__ = ["DiT", "Llama", "Network", "Transformer", "UNet", "UViT"]
