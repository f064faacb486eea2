"""Masked discrete diffusion (MD4, GenMD4) in Keras 3, on JAX, TensorFlow and PyTorch."""

# ruff: noqa: E402  (the backend is chosen before anything imports Keras)
from md4keras.default_backend import choose_backend

choose_backend()

from md4keras import (
    callbacks,
    catalog,
    checkpoints,
    data,
    distribution,
    evaluation,
    export,
    forward_process,
    layers,
    losses,
    metrics,
    models,
    networks,
    presets,
    samplers,
    schedules,
    tokenizers,
)
from md4keras.checkpoints import load_model, save_model, upload_preset
from md4keras.models import MD4, BlockDiffusion, GenMD4
from md4keras.version import __version__

__all__ = [
    "MD4",
    "BlockDiffusion",
    "GenMD4",
    "__version__",
    "callbacks",
    "catalog",
    "checkpoints",
    "data",
    "distribution",
    "evaluation",
    "export",
    "forward_process",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "networks",
    "presets",
    "samplers",
    "save_model",
    "schedules",
    "tokenizers",
    "upload_preset",
]
