"""Presets: where models to start from are found, by a path, a name or a handle."""

from md4keras.presets.finding import SHIPPED, find, shipped
from md4keras.presets.layout import is_saved_model

__all__ = ["SHIPPED", "find", "is_saved_model", "shipped"]
