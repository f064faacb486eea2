"""Texts longer than a model was trained on: their gaps are filled window by window.

A window has the training length, so one shape is compiled. Windows go from left to right; each
begins a quarter before the first gap that is left, and fills the gaps up to a quarter before its
end, so that a gap has text on both sides. What is filled is given to the next window.
"""

from collections.abc import Iterator

import numpy as np

from md4keras.checks import as_array, check_mask, check_whole
from md4keras.models import batches, validation
from md4keras.samplers import SampleState


def windows(mask, length: int) -> list[tuple[int, int, int]]:
    """The windows of a text: `(begin, first, last)`, where gaps in `[first, last)` are filled.

    Args:
        mask: bool `[L]`, `True` in the gaps.
        length: int, the tokens of a window.

    Example:

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
        tokens: ints `[n, L]`, or a list of `n` texts' ids, of any lengths; what stands under the
            mask is not read.
        mask: bool `[L]` or `[n, L]`, `True` where tokens are drawn; of a list of texts a list.
        labels: as for the model.
        length: int, the tokens of a window; `None` for the training length.
        settings: dict, the other arguments of `model.infill_steps`; a text of one window is filled
            as by the model itself, and each of several as alone in its row.

    Returns:
        Iterator of states; their tokens are an array, or a list where the lengths differ.

    Raises:
        ValueError: as `model.infill_steps` does.
    """
    settings = settings or {}
    length = model.network.data_shape[0] if length is None else length
    texts, listed = _texts(model.network, tokens, mask, length)
    rounds, done = max(len(text.windows) for text in texts), 0
    for number in range(rounds):
        rows, gaps = map(list, zip(*(text.window(number) for text in texts), strict=True))
        own = settings if number == 0 else settings | {"seed": _seed(settings, number)}
        for state in model.infill_steps(rows, gaps, labels, **own):
            whole = [
                text.filled(number, row) for text, row in zip(texts, state.tokens, strict=True)
            ]
            most = done + state.most_calls * (rounds - number)
            yield SampleState(whole if listed else np.stack(whole), done + state.calls, most)
        for text, filled in zip(texts, whole, strict=True):
            text.close(number, filled)
        done += state.calls


class _Text:
    """A text whose gaps are filled window by window."""

    def __init__(self, tokens, mask, length: int):
        self.tokens, self.left, self.length = tokens, mask, length
        # Without a gap, the model says so.
        self.windows = windows(mask, length) or [(0, 0, len(mask))]

    def window(self, number: int):
        """The tokens and the gaps of a window; of a text that is done, one that is not used."""
        if number >= len(self.windows):
            return np.zeros(1, "int32"), np.ones(1, bool)
        begin = self.windows[number][0]
        window = slice(begin, begin + self.length)
        return self.tokens[window], self.left[window]

    def filled(self, number: int, row) -> np.ndarray:
        """All tokens, with those that were drawn in a window."""
        tokens = self.tokens.copy()
        for begin, first, last in self.windows[number : number + 1]:
            tokens[first:last] = row[first - begin : last - begin]
        return tokens

    def close(self, number: int, tokens) -> None:
        """Takes over the tokens that a window has brought."""
        self.tokens = tokens
        for _, first, last in self.windows[number : number + 1]:
            self.left[first:last] = False


def _texts(network, tokens, mask, length: int) -> tuple[list[_Text], bool]:
    """The texts, and whether they are a list of different lengths."""
    found, lengths = batches.from_lists({"tokens": tokens, "mask": mask})
    tokens = as_array("tokens", batches.to_array(found["tokens"]))
    validation.check_no_text(tokens, "tokens")
    validation.check_shape(network, tokens.shape)
    mask = np.array(check_mask("mask", batches.to_array(found["mask"]), tokens.shape))
    sizes = [tokens.shape[1]] * len(tokens) if lengths is None else lengths
    rows = zip(tokens, mask, sizes, strict=True)
    return [_Text(row[:n], gaps[:n], length) for row, gaps, n in rows], lengths is not None


def _seed(settings: dict, number: int) -> int:
    return int(np.random.SeedSequence((settings.get("seed", 0), number)).generate_state(1)[0])
