"""Evaluation: likelihoods of sets, the quality of samples, simple models, candidates."""

from md4keras.evaluation import (
    baselines,
    bound,
    candidates,
    causal,
    character_model,
    frontier,
    image_quality,
    image_report,
    inception,
    ngrams,
    oracle,
    per_value,
    text_report,
    variety,
    weights,
)
from md4keras.evaluation.answers import answer_likelihood, multiple_choice
from md4keras.evaluation.bound import check_bound
from md4keras.evaluation.estimates import Estimate
from md4keras.evaluation.likelihood_of_sets import OWN, likelihood, likelihood_steps
from md4keras.evaluation.nelbo import Nelbo
from md4keras.evaluation.report import Report, read_report, write_report
from md4keras.evaluation.rolling import rolling_likelihood, rolling_rows
from md4keras.evaluation.weights import paired_likelihood

__all__ = [
    "OWN",
    "Estimate",
    "Nelbo",
    "Report",
    "answer_likelihood",
    "baselines",
    "bound",
    "candidates",
    "causal",
    "character_model",
    "check_bound",
    "frontier",
    "image_quality",
    "image_report",
    "inception",
    "likelihood",
    "likelihood_steps",
    "multiple_choice",
    "ngrams",
    "oracle",
    "paired_likelihood",
    "per_value",
    "read_report",
    "rolling_likelihood",
    "rolling_rows",
    "text_report",
    "variety",
    "weights",
    "write_report",
]
