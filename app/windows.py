"""Doubts: how sure a model is of what it filled, in texts longer than it was trained on."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from md4keras.evaluation import candidates
from md4keras.models.long_infill import windows


def candidate_steps(model, tokens, mask, label, length: int) -> Iterator[tuple]:
    """As `evaluation.candidates.candidate_steps`, for a text of any length `[L]`."""
    todo, found, done = windows(mask, length), [], 0
    for number, (begin, first, last) in enumerate(todo):
        own = np.zeros_like(mask)
        own[first:last] = mask[first:last]
        window = slice(begin, begin + length)
        steps = candidates.candidate_steps(model, tokens[window], own[window], labels=label)
        for part, calls, most in steps:
            if part is not None:
                positions = part.positions + begin
                found.append(dataclasses.replace(part, positions=positions))
            complete = len(found) == len(todo)
            yield (
                _together(found) if complete else None,
                done + calls,
                done + most * (len(todo) - number),
            )
        done += calls


def _together(found: list) -> candidates.Candidates:
    fields = [field.name for field in dataclasses.fields(candidates.Candidates)]
    arrays = {name: np.concatenate([getattr(part, name) for part in found]) for name in fields}
    return candidates.Candidates(**arrays)
