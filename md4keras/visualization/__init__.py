"""Visualization: pictures of images, marked text, and when each position was decided."""

from md4keras.visualization import marked_text, pictures, trajectories

__all__ = ["marked_text", "pictures", "trajectories"]
