"""Evaluation: simple models on the same data; pictures, figures, marked text, doubts of samples."""

from md4keras.evaluation import (
    baselines,
    candidates,
    likelihood,
    marked_text,
    pictures,
    trajectories,
    variety,
)

__all__ = [
    "baselines",
    "candidates",
    "likelihood",
    "marked_text",
    "pictures",
    "trajectories",
    "variety",
]
