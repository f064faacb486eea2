"""Saved models as programs without Python: SavedModels for TensorFlow Serving."""

from md4keras.export.limits import Limits
from md4keras.export.saved_model import SIGNATURES, export_saved_model

__all__ = ["SIGNATURES", "Limits", "export_saved_model"]
