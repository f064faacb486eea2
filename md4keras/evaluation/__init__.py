"""Evaluation: what simple models reach on the same data, and pictures of samples."""

from md4keras.evaluation import baselines, pictures

__all__ = ["baselines", "pictures"]
