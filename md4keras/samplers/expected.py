"""The members of a sampler besides its steps, each with a default.

A sampler of one's own that is no `Sampler` needs `make_process`, `step` and `finish`; what else it
lacks is taken from here.
"""

import contextlib
import copy
import functools

from keras import ops


class Expected:
    """The members that have a default.

    Attributes:
        filters: tuple of functions of logits.
        remembers: bool, whether `step` reads its `memory`; a sampler that does says so, and an
            exported step then has the memory as an input.
        plans_on_host: bool, whether its process plans a run in NumPy; such a one is not exported.
        adaptive: bool, whether a run ends as soon as nothing is masked, at the latest after
            `num_steps`.
        calls_a_step: int, the most network calls of a step and what follows it (`after_step`).
    """

    filters = ()
    remembers = False
    plans_on_host = False
    adaptive = False
    calls_a_step = 1

    def first_memory(self, z, vocabulary_size: int):
        """What `memory.remembered` is before the first step: a tensor, or a NamedTuple of some.

        Args:
            z: int32 tensor `[B, *data_shape]`, the first state.
            vocabulary_size: int, `V`.

        Returns:
            float32 zeros like `z`; or, in a sampler that says so, a NamedTuple whose first tensor
            is like `z`, float32, and the others begin as `z` does.
        """
        return ops.zeros_like(z, dtype="float32")

    def check_schedule(self, schedule) -> None:
        """Raises a `ValueError` if the sampler is not defined for this schedule."""

    def check_data_shape(self, data_shape: tuple) -> None:
        """Raises a `ValueError` if the sampler is not defined for examples of this shape."""

    def is_idle(self, masked, s, schedule, given):
        """Whether a step changes nothing in any row, whatever the network says: bool scalar.

        The network is not called for such steps, and a run ends before its last ones.

        Args:
            masked: bool tensor `[B, *data_shape]`, what is masked now.
            s, schedule: as in `Sampler.step_probabilities`.
            given: bool tensor like `masked`, what was not masked at the start.
        """
        return ~ops.any(masked) if self.adaptive else ops.zeros((), dtype="bool")

    def after_step(self, process, run, state, t, s):
        """What follows a step: a sampler may call the network again, as `Corrector` does.

        Args:
            process: a `SteppedProcess`, whose `denoise` is a network call.
            run: a `Run`.
            state: the `State` after the step, at the time `s`.
            t, s: float32 tensors `[B]`, the times of the step; 0 where it filled what was left.

        Returns:
            a `State`, in whose `calls` all network calls are counted.
        """
        return state

    def most_calls(self, left, num_steps: int, fractions=None) -> int:
        """The most network calls of a run.

        Args:
            left: int array `[B]`, how many positions of each row are to be filled.
            num_steps: int, `T`.
            fractions: function without arguments, to the parts of them that the schedule expects to
                be masked after each step, float array `[T, B]`; `None` where that is not known.
        """
        return self.calls_a_step * num_steps + 1  # the last one fills what is left


class Completed(Expected):
    """A sampler that is no `Sampler`, with the defaults for what it lacks.

    Args:
        own: an object with `make_process`, `step` and `finish`.
    """

    def __init__(self, own):
        self.own = own
        for name in filter(lambda name: hasattr(own, name), vars(Expected)):
            if not name.startswith("_"):
                setattr(self, name, getattr(own, name))

    def __getattr__(self, name):
        return getattr(self.__dict__["own"], name)

    def __eq__(self, other):
        return isinstance(other, Completed) and self.own == other.own

    def __hash__(self):
        return hash(self.own)

    def __repr__(self):
        return repr(self.own)


def completed(sampler) -> Expected:
    """The sampler, which has all members that a process asks for."""
    return sampler if isinstance(sampler, Expected) else Completed(sampler)


def idle_rule(sampler):
    """The sampler's `is_idle`; the default where a class of its own draws in another way.

    (A subclass that overrides `step` or `chosen` says anew which steps are idle, or has none.)
    """
    for kind in type(sampler).__mro__:
        if "is_idle" in vars(kind):
            break
        if {"step", "chosen"} & set(vars(kind)):
            return functools.partial(Expected.is_idle, sampler)
    return sampler.is_idle


def with_filters(sampler, filters: tuple) -> Expected:
    """The same sampler with other filters, which are not checked."""
    if isinstance(sampler, Completed):
        return Completed(with_filters(sampler.own, filters))
    sampler = copy.copy(sampler)
    with contextlib.suppress(AttributeError):  # an object that has none draws without them
        object.__setattr__(sampler, "filters", filters)
    return sampler
