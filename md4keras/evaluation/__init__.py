"""Evaluation: likelihoods of sets, simple models beside them, candidates, variety of samples."""

from md4keras.evaluation import baselines, candidates, per_value, variety
from md4keras.evaluation.estimates import Estimate
from md4keras.evaluation.nelbo import Nelbo
from md4keras.evaluation.set_likelihood import OWN, likelihood, likelihood_steps

__all__ = [
    "OWN",
    "Estimate",
    "Nelbo",
    "baselines",
    "candidates",
    "likelihood",
    "likelihood_steps",
    "per_value",
    "variety",
]
