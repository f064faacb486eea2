"""Masking schedules: how the probability of being clean falls from time 0 to time 1.

A schedule is the function `alpha(t)`, the probability that a token is still clean at time `t`.
Everything else (loss weight, log-SNR, inverse, reverse-step probabilities) follows from it.

Reference: Shi et al. 2024, *Simplified and Generalized Masked Diffusion for Discrete Data*
(arXiv 2406.04329), Section 2 and Table 1; Section 5 for the learnable schedule.
"""

import keras

from md4keras.schedules.learnable import LearnablePolynomial
from md4keras.schedules.scalar import Cosine, Linear, Polynomial, Schedule
from md4keras.schedules.started import Started

_SCHEDULES = {"linear": Linear, "cosine": Cosine, "polynomial": Polynomial}

__all__ = [
    "Cosine",
    "LearnablePolynomial",
    "Linear",
    "Polynomial",
    "Schedule",
    "Started",
    "get",
]


def get(schedule) -> Schedule:
    """Returns a schedule from an object, a name, or a serialised configuration.

    Args:
        schedule: a schedule; or `"linear"`, `"cosine"`, `"polynomial"` (exponent 2),
            `"poly<exponent>"` such as `"poly0.5"`; or what `keras.saving` made of one.

    Raises:
        ValueError: for an unknown name, listing the known ones, or anything that is no schedule.
    """
    if isinstance(schedule, dict):
        found = _deserialized(schedule)
        if _is_schedule(found):
            return found
    elif not isinstance(schedule, str):
        if _is_schedule(schedule):
            return schedule
    elif schedule in _SCHEDULES:
        return _SCHEDULES[schedule]()
    elif schedule.startswith("poly"):
        try:
            return Polynomial(float(schedule.removeprefix("poly")))
        except ValueError:
            pass
    known = ", ".join(repr(name) for name in _SCHEDULES)
    raise ValueError(
        f"Unknown schedule. Expected one of {known}, 'poly<exponent>' with a positive exponent "
        f"(such as 'poly0.5'), or a schedule object. Received: schedule={schedule!r}"
    )


def _deserialized(config: dict):
    """What `keras.saving` made the configuration of; `None` if nothing can be made of it."""
    try:
        return keras.saving.deserialize_keras_object(config)
    except (AttributeError, ImportError, KeyError, TypeError):
        return None


def _is_schedule(value) -> bool:
    names = ("alpha", "dalpha", "weight", "inverse", "reveal_probability", "masked_fraction")
    is_object = not isinstance(value, type)
    return is_object and all(callable(getattr(value, name, None)) for name in names)
