"""Texts longer than a model was trained on: their gaps are filled window by window.

A window has the training length, so one shape is compiled. Windows go from left to right; each
begins a quarter before the first gap that is left, and fills the gaps up to a quarter before its
end, so that a gap has text on both sides. What is filled is given to the next window.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from md4keras.evaluation import candidates
from md4keras.samplers import SampleState


def parts(mask, length: int) -> list[tuple[int, int, int]]:
    """The windows of a text: `(begin, first, last)`, where gaps in `[first, last)` are filled.

    Args:
        mask: bool `[L]`, `True` in the gaps.
        length: int, the tokens of a window.

    >>> parts(np.arange(12) > 7, 8)
    [(4, 8, 12)]
    """
    found, at, total = [], 0, len(mask)
    while mask[at:].any():
        first = at + int(np.argmax(mask[at:]))
        begin = max(0, min(first - length // 4, total - length))
        last = begin + length - length // 4 if begin + length < total else total
        found.append((begin, first, last))
        at = last
    return found


def infill_steps(model, tokens, mask, labels, length: int, settings: dict) -> Iterator[SampleState]:
    """As `model.infill_steps`, for texts of any length.

    Args:
        model: a model of text.
        tokens: ints `[n, L]`.
        mask: bool `[L]`, `True` where tokens are drawn.
        labels: as for the model.
        length: int, the tokens of a window.
        settings: the other arguments of `model.infill_steps`.
    """
    tokens, left, done = np.array(tokens), mask.copy(), 0
    windows = parts(mask, length)
    for number, (begin, first, last) in enumerate(windows):
        window, filled = slice(begin, begin + length), slice(first, last)
        seed = settings["seed"] if number == 0 else _seed(settings["seed"], number)
        own = settings | {"seed": seed}
        for state in model.infill_steps(tokens[:, window], left[window], labels, **own):
            whole = tokens.copy()
            whole[:, filled] = state.tokens[:, first - begin : last - begin]
            most = done + state.most_calls * (len(windows) - number)
            yield SampleState(whole, done + state.calls, most)
        tokens, done = whole, done + state.calls
        left[filled] = False


def candidate_steps(model, tokens, mask, label, length: int) -> Iterator[tuple]:
    """As `evaluation.candidates.candidate_steps`, for a text of any length `[L]`."""
    windows, found, done = parts(mask, length), [], 0
    for number, (begin, first, last) in enumerate(windows):
        own = np.zeros_like(mask)
        own[first:last] = mask[first:last]
        window = slice(begin, begin + length)
        steps = candidates.candidate_steps(model, tokens[window], own[window], labels=label)
        for part, calls, most in steps:
            if part is not None:
                positions = part.positions + begin
                found.append(dataclasses.replace(part, positions=positions))
            complete = len(found) == len(windows)
            yield (
                _together(found) if complete else None,
                done + calls,
                done + most * (len(windows) - number),
            )
        done += calls


def _together(found: list) -> candidates.Candidates:
    fields = [field.name for field in dataclasses.fields(candidates.Candidates)]
    arrays = {name: np.concatenate([getattr(part, name) for part in found]) for name in fields}
    return candidates.Candidates(**arrays)


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
