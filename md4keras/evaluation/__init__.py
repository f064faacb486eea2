"""Evaluation: simple models on the same data; likelihoods, candidates and variety of samples."""

from md4keras.evaluation import baselines, candidates, likelihood, variety

__all__ = ["baselines", "candidates", "likelihood", "variety"]
