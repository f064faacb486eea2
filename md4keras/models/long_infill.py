"""Texts longer than a model was trained on: their gaps are filled window by window.

A window has the training length, so one shape is compiled. Windows go from left to right; each
begins a quarter before the first gap that is left, and fills the gaps up to a quarter before its
end, so that a gap has text on both sides. What is filled is given to the next window.
"""

from collections.abc import Iterator

import numpy as np

from md4keras.checks import check_mask, check_whole
from md4keras.samplers import SampleState


def windows(mask, length: int) -> list[tuple[int, int, int]]:
    """The windows of a text: `(begin, first, last)`, where gaps in `[first, last)` are filled.

    Args:
        mask: bool `[L]`, `True` in the gaps.
        length: int, the tokens of a window.

    >>> windows(np.arange(12) > 7, 8)
    [(4, 8, 12)]
    """
    check_whole("length", length, mend="Give the length that the model was trained at.")
    found, at, total = [], 0, len(mask)
    while mask[at:].any():
        first = at + int(np.argmax(mask[at:]))
        begin = max(0, min(first - length // 4, total - length))
        last = begin + length - length // 4 if begin + length < total else total
        found.append((begin, first, last))
        at = last
    return found


def infill_steps(
    model, tokens, mask, labels=None, length: int | None = None, settings: dict | None = None
) -> Iterator[SampleState]:
    """As `model.infill_steps`, for texts of any length; the last state has all gaps filled.

    Args:
        model: a model of text.
        tokens: ints `[n, L]`; what stands under the mask is not read.
        mask: bool `[L]`, `True` where tokens are drawn.
        labels: as for the model.
        length: int, the tokens of a window; `None` for the training length.
        settings: dict, the other arguments of `model.infill_steps`; a text of one window is filled
            as by the model itself.

    Raises:
        ValueError: as `model.infill_steps` does.
    """
    tokens = np.array(tokens)
    mask, settings = check_mask("mask", mask, tokens.shape[1:]), settings or {}
    length = model.network.data_shape[0] if length is None else length
    left, done, whole = mask.copy(), 0, tokens
    todo = windows(mask, length) or [(0, 0, len(mask))]  # without a gap, the model says so
    for number, (begin, first, last) in enumerate(todo):
        window, filled = slice(begin, begin + length), slice(first, last)
        own = settings if number == 0 else settings | {"seed": _seed(settings, number)}
        for state in model.infill_steps(tokens[:, window], left[window], labels, **own):
            whole = tokens.copy()
            whole[:, filled] = state.tokens[:, first - begin : last - begin]
            most = done + state.most_calls * (len(todo) - number)
            yield SampleState(whole, done + state.calls, most)
        tokens, done = whole, done + state.calls
        left[filled] = False


def _seed(settings: dict, number: int) -> int:
    return int(np.random.SeedSequence((settings.get("seed", 0), number)).generate_state(1)[0])
