"""Saved models as programs without Python: for TensorFlow Serving and for other runtimes."""

from md4keras.export.limits import Limits
from md4keras.export.native import export_native
from md4keras.export.runtimes import FORMATS, export_denoiser
from md4keras.export.saved_model import SIGNATURES, export_saved_model
from md4keras.export.subprocesses import ExportError

__all__ = [
    "FORMATS",
    "SIGNATURES",
    "ExportError",
    "Limits",
    "export_denoiser",
    "export_native",
    "export_saved_model",
]
