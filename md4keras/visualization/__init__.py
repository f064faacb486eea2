"""Visualization: pictures of images, marked text, when each position was decided, frontiers."""

from md4keras.visualization import frontiers, marked_text, pictures, trajectories

__all__ = ["frontiers", "marked_text", "pictures", "trajectories"]
