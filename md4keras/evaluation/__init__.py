"""Evaluation: simple models on the same data; pictures, marked text and doubts of samples."""

from md4keras.evaluation import baselines, candidates, marked_text, pictures, trajectories

__all__ = ["baselines", "candidates", "marked_text", "pictures", "trajectories"]
