"""Masking schedules: how the probability of being clean falls from time 0 to time 1.

A schedule is the function `alpha(t)`, the probability that a token is still clean at time `t`.
Everything else (loss weight, log-SNR, inverse, reverse-step probabilities) follows from it.

Reference: Shi et al. 2024, *Simplified and Generalized Masked Diffusion for Discrete Data*
(arXiv 2406.04329), Section 2 and Table 1; Section 5 for the learnable schedule.
"""

import keras

from md4keras.checks import check_has
from md4keras.schedules.learnable import LearnablePolynomial
from md4keras.schedules.log_linear import LogLinear
from md4keras.schedules.rescaled import Rescaled
from md4keras.schedules.scalar import Cosine, Linear, Polynomial, Schedule

_SCHEDULES = {"linear": Linear, "cosine": Cosine, "polynomial": Polynomial, "log_linear": LogLinear}
_MEMBERS = ("per_token", "alpha", "weight", "reveal_probability")
_MEMBERS += ("masked_fraction", "time_of_masked_fraction")

__all__ = [
    "Cosine",
    "LearnablePolynomial",
    "Linear",
    "LogLinear",
    "Polynomial",
    "Rescaled",
    "Schedule",
    "get",
]


def get(schedule) -> Schedule:
    """Returns a schedule from an object, a name, or a serialised configuration.

    Args:
        schedule: a schedule; or `"linear"`, `"cosine"`, `"polynomial"` (exponent 2), `"log_linear"`
            (MDLM's), `"poly<exponent>"` such as `"poly0.5"`; or what `keras.saving` made of one.

    Raises:
        ValueError: for an unknown name, listing the known ones, or an object that is no schedule,
            listing what it lacks.

    Example:

    >>> md4keras.schedules.get("poly0.5").get_config()
    {'exponent': 0.5, 'eps': 0.0001}
    """
    found = _deserialized(schedule) if isinstance(schedule, dict) else schedule
    if isinstance(schedule, str):
        found = _named(schedule)
    known = f"one of {', '.join(map(repr, _SCHEDULES))}, 'poly<exponent>' (such as 'poly0.5')"
    if found is None:
        raise ValueError(
            f"Unknown schedule. Expected {known}, or a schedule object. "
            f"Received: schedule={schedule!r}"
        )
    check_has("a schedule", found, _MEMBERS, f"Derive it from `Schedule`, or name {known}.")
    return found


def _named(name: str):
    if name in _SCHEDULES:
        return _SCHEDULES[name]()
    try:
        return Polynomial(float(name.removeprefix("poly"))) if name.startswith("poly") else None
    except ValueError:
        return None


def _deserialized(config: dict):
    """What `keras.saving` made the configuration of; `None` if nothing can be made of it."""
    try:
        return keras.saving.deserialize_keras_object(config)
    except (AttributeError, ImportError, KeyError, TypeError):
        return None
