"""The states of a reverse process: its start, what stays during a run, and what changes."""

from typing import Any, NamedTuple

import numpy as np


class Start(NamedTuple):
    """What a run starts from, as NumPy arrays.

    Attributes:
        z: int32 `[B, *data_shape]`, masks where tokens are to be drawn.
        labels: int32 `[B]`, or `None`.
        time: float32 `[B]`, the time of this state; scales the time grid of each row.
        padding_mask: bool `[B, L]`, `False` where a text is padded, or `None`.
        segment_ids: int32 `[B, L]`, the number of each token's document, or `None`.
        ahead: bool `[B, L]`, what the network sees as masks although it is not to be drawn now,
            such as the blocks that follow; `z` is 0 there. Or `None`.
        prompt: bool `[B, L]`, the tokens that guidance masks in its other half, or `None` where it
            changes the label.
        cache: a `layers.Cache` of tensors, the keys and values of what stands before, of a model
            that draws block by block; or `None`. Guidance has the rows of its other half in it,
            behind those of the first.
    """

    z: Any
    labels: Any
    time: Any
    padding_mask: Any = None
    segment_ids: Any = None
    ahead: Any = None
    prompt: Any = None
    cache: Any = None


class Run(NamedTuple):
    """What stays as it is during a run, as tensors.

    Attributes:
        labels, padding_mask, start_time, segment_ids: as in `Start`.
        given: bool like the state, what is not to be drawn.
        seed: int32 scalar, the word of the seed.
        temperature: float32 scalar, 0 for the likeliest tokens.
        guidance: a function as in `samplers.guidance`, or `None`.
        correction: float32, what is taken off the logits; see `ReverseProcess.correction`.
        plan: when the network is called: a `Grid`, or what another process makes of it.
        ahead: an `Ahead`, or `None`.
        cache: as in `Start`.
    """

    labels: Any
    padding_mask: Any
    start_time: Any
    given: Any
    seed: Any
    temperature: Any
    guidance: Any
    correction: Any
    plan: Any
    segment_ids: Any = None
    ahead: Any = None
    cache: Any = None

    def first_places(self, batch_size):
        """Where in its text each row begins, int32 `[B]`, or `None` where it is a whole text."""
        return None if self.cache is None else self.cache.length[:batch_size]


class Ahead(NamedTuple):
    """What stays masked for the network during a run.

    Attributes:
        mask: bool `[B, L]`.
        fraction: float32 `[B]`, the part of a row's tokens that it is.
    """

    mask: Any
    fraction: Any


class Grid(NamedTuple):
    """Step `i` goes from `t[i]` to `s[i]`; entry `num_steps` is (0, 0), for the last masks."""

    num_steps: Any
    t: Any
    s: Any


class State(NamedTuple):
    """What changes from call to call: tensors.

    Attributes:
        calls: int32 scalar, network calls so far.
        z: int32 `[B, *data_shape]`.
        remembered: what the sampler noted; see `Memory`.
        step: int32 scalar, the number of the next step, where there are steps.
    """

    calls: Any
    z: Any
    remembered: Any
    step: Any


class Memory(NamedTuple):
    """What a sampler's step knows besides the state.

    Attributes:
        given: bool like the state, the positions that were not masked at the start.
        remembered: what the sampler noted in the steps before: float32 like the state, or a
            NamedTuple of tensors; at first its `first_memory`.

    Example:

    >>> zt = np.array([[1, 4]])
    >>> md4keras.samplers.Memory(given=zt != 4, remembered=np.zeros((1, 2))).given.tolist()
    [[True, False]]
    """

    given: Any
    remembered: Any


class SampleState(NamedTuple):
    """One state of a run, for its caller.

    Attributes:
        tokens: int32 NumPy array `[B, *data_shape]`, or a list of those of texts of different
            lengths; the mask token where masked.
        calls: int, network calls so far.
        most_calls: int, the most that there can be.

    Example:

    >>> first = next(model.sample_steps(2, sampler="first_hitting"))
    >>> first.tokens[0].tolist(), first.calls, first.most_calls
    ([5, 5, 5, 5, 5, 5, 5, 5], 0, 8)
    """

    tokens: np.ndarray
    calls: int
    most_calls: int
