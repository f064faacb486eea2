"""Saved models as programs without Python: for TensorFlow Serving and for other runtimes."""

from md4keras.export.limits import Limits
from md4keras.export.native import export_native
from md4keras.export.runtimes import FORMATS, export_denoiser
from md4keras.export.saved_model import export_saved_model

__all__ = ["FORMATS", "Limits", "export_denoiser", "export_native", "export_saved_model"]
