"""Samplers: one reverse step each. They know schedules, not models."""

from md4keras.samplers.ancestral import Ancestral
from md4keras.samplers.sampler import Sampler, make_time_grid

_SAMPLERS = {"ancestral": Ancestral}

__all__ = ["Ancestral", "Sampler", "get", "make_time_grid"]


def get(sampler) -> Sampler:
    """Returns a sampler from an object or a name.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    if isinstance(sampler, Sampler):
        return sampler
    if isinstance(sampler, str) and sampler in _SAMPLERS:
        return _SAMPLERS[sampler]()
    known = ", ".join(repr(name) for name in _SAMPLERS)
    raise ValueError(
        f"Unknown sampler. Expected one of {known}, or a `md4keras.samplers.Sampler`. "
        f"Received: sampler={sampler!r}"
    )
