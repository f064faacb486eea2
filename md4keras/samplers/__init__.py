"""Samplers: one reverse step each, or a plan of when to reveal."""

from md4keras.checks import check_has
from md4keras.samplers.adaptive import Adaptive
from md4keras.samplers.ancestral import Ancestral
from md4keras.samplers.confidence import Confidence
from md4keras.samplers.corrector import Corrector
from md4keras.samplers.drawing import Noise
from md4keras.samplers.entropy_bound import EntropyBound
from md4keras.samplers.event import Event, FirstHitting
from md4keras.samplers.expected import completed
from md4keras.samplers.filters import Filter, TopK, TopP
from md4keras.samplers.halton import Halton
from md4keras.samplers.klass import Klass, Stability
from md4keras.samplers.ordered import LeftToRight, Ordered, Planned
from md4keras.samplers.path_planning import PathPlanning
from md4keras.samplers.psi import PosteriorMixture, Psi
from md4keras.samplers.remasking import ByConfidence, Cap, Remasking, Rescale
from md4keras.samplers.sampler import TIME_GRIDS, Sampler, make_time_grid
from md4keras.samplers.states import Memory, SampleState
from md4keras.samplers.stepped_process import SteppedProcess
from md4keras.samplers.threshold import Threshold

_SAMPLERS = {
    "ancestral": Ancestral,
    "top_p": lambda: Ancestral(filters=(TopP(),)),
    "top_k": lambda: Ancestral(filters=(TopK(),)),
    "mean": Ancestral,  # the published sampler of that name draws in the same way
    "event": Event,
    "first_hitting": FirstHitting,
    "confidence": Confidence,
    "left_to_right": LeftToRight,
    "psi": Psi,
    "forward_backward": lambda: Psi(kappa="forward_backward"),
    "remasking": Remasking,
    "path_planning": PathPlanning,
    "corrector": Corrector,
    "threshold": Threshold,
    "entropy_bound": EntropyBound,
    "klass": Klass,
    "halton": Halton,
}
_MEMBERS = ("make_process", "step", "finish")  # what has no default

__all__ = [
    "TIME_GRIDS",
    "Adaptive",
    "Ancestral",
    "ByConfidence",
    "Cap",
    "Confidence",
    "Corrector",
    "EntropyBound",
    "Event",
    "FirstHitting",
    "Halton",
    "Klass",
    "LeftToRight",
    "Memory",
    "Noise",
    "Ordered",
    "PathPlanning",
    "Planned",
    "PosteriorMixture",
    "Psi",
    "Remasking",
    "Rescale",
    "SampleState",
    "Sampler",
    "Stability",
    "SteppedProcess",
    "Threshold",
    "TopK",
    "TopP",
    "get",
    "make_time_grid",
]


def get(sampler) -> Sampler:
    """Returns a sampler from an object or a name; a filter stands for `Ancestral` with it.

    Raises:
        ValueError: for an unknown name, listing the known ones, or an object that is no sampler,
            listing what it lacks.

    Example:

    >>> md4keras.samplers.get("top_p")
    Ancestral(filters=(TopP(p=0.98),), last='sample')
    """
    if isinstance(sampler, Filter):
        return Ancestral(filters=(sampler,))
    known = f"one of {', '.join(map(repr, _SAMPLERS))}"
    if isinstance(sampler, str):
        if sampler in _SAMPLERS:
            return _SAMPLERS[sampler]()
        raise ValueError(
            f"Unknown sampler. Expected {known}, or a `md4keras.samplers.Sampler`. "
            f"Received: sampler={sampler!r}"
        )
    check_has("a sampler", sampler, _MEMBERS, f"Derive it from `Sampler`, or name {known}.")
    return completed(sampler)
