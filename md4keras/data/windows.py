"""Windows of a text that is longer than a model: its gaps are filled one window after another."""

from collections.abc import Iterator

import numpy as np

from md4keras.checks import check_whole


def windows(mask, length: int) -> Iterator[tuple[slice, np.ndarray]]:
    """The windows in which the gaps of a text are filled, from left to right.

    A window has the first open gap in its middle. What is open in its last quarter waits for the
    next window, where something stands behind it.

    Args:
        mask: bool `[L]`, `True` in the gaps.
        length: int, of a window; a shorter text is one window.

    Returns:
        Iterator of `(place, drawn)`: a slice of the text, and bool like it, `True` for the tokens
        to keep of those that are drawn there. Each gap is drawn in one window.

    Example:

    >>> mask = np.array([0, 1, 0, 0, 0, 0, 1, 1], bool)
    >>> [(place.start, place.stop, drawn.astype(int).tolist()) for place, drawn in windows(mask, 4)]
    [(0, 4, [0, 1, 0, 0]), (4, 8, [0, 0, 1, 1])]
    """
    check_whole("length", length, mend="Give the length that the model was trained at.")
    still_open = np.array(mask, bool)  # a copy
    while still_open.any():
        middle = int(np.argmax(still_open)) - length // 2
        start = max(0, min(middle, len(still_open) - length))
        place = slice(start, min(start + length, len(still_open)))
        drawn = still_open[place].copy()
        if place.stop < len(still_open):
            drawn[max(length // 2 + 1, length * 3 // 4) :] = False
        still_open[place] &= ~drawn
        yield place, drawn
