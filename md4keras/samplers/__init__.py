"""Samplers: one reverse step each, or a plan of when to reveal. They know schedules, not models."""

from md4keras.samplers.ancestral import Ancestral
from md4keras.samplers.confidence import Confidence
from md4keras.samplers.event import Event, FirstHitting
from md4keras.samplers.filters import Filter, TopK, TopP
from md4keras.samplers.remasking import Remasking
from md4keras.samplers.sampler import TIME_GRIDS, Sampler, make_time_grid

_SAMPLERS = {
    "ancestral": Ancestral,
    "top_p": lambda: Ancestral(filters=(TopP(),)),
    "top_k": lambda: Ancestral(filters=(TopK(),)),
    "mean": Ancestral,  # the published sampler of that name draws in the same way
    "event": Event,
    "first_hitting": FirstHitting,
    "confidence": Confidence,
    "remasking": Remasking,
}

__all__ = [
    "TIME_GRIDS",
    "Ancestral",
    "Confidence",
    "Event",
    "FirstHitting",
    "Remasking",
    "Sampler",
    "TopK",
    "TopP",
    "get",
    "make_time_grid",
]


def get(sampler) -> Sampler:
    """Returns a sampler from an object or a name; a filter stands for `Ancestral` with it.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    if isinstance(sampler, Sampler):
        return sampler
    if isinstance(sampler, Filter):
        return Ancestral(filters=(sampler,))
    if isinstance(sampler, str) and sampler in _SAMPLERS:
        return _SAMPLERS[sampler]()
    known = ", ".join(repr(name) for name in _SAMPLERS)
    raise ValueError(
        f"Unknown sampler. Expected one of {known}, or a `md4keras.samplers.Sampler`. "
        f"Received: sampler={sampler!r}"
    )
