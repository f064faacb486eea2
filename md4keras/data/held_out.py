"""The part of one's own data that is held out: known from counts and lengths alone."""

from collections.abc import Callable

from md4keras.checks import Interval, check_number
from md4keras.data.folders import printable
from md4keras.data.text import split_text


def check_fraction(fraction: float | None) -> None:
    """Raises a `ValueError` unless the part that is held out is in `(0, 1)`, or `None`."""
    if fraction is not None:
        inside = Interval(0, 1, with_low=False, with_high=False)
        check_number("validation_fraction", fraction, inside, "Use 0.1, for instance.")


def of_items(
    count: int, fraction: float | None, what: str, path
) -> tuple[Callable[[int], bool], str]:
    """Which documents or pairs are held out: some, evenly spread.

    Args:
        count: int, how many there are.
        fraction: float in `(0, 1)`, the part that is held out; `None` for nothing.
        what: str, their name.
        path: where they are.

    Returns:
        A function of an item's number, counted from 0, that says whether it is held out; and a
        sentence on it.

    Raises:
        ValueError: for a single one, or none.

    Example:

    >>> is_held, _ = of_items(10, 0.2, "documents", "texts")
    >>> [number for number in range(10) if is_held(number)]
    [4, 9]
    """
    check_fraction(fraction)
    if fraction is None:
        return lambda number: False, "nothing is held out"
    if count < 2:
        raise ValueError(
            f"There are too few {what} to hold any out. Expected two or more. Received: {count} in "
            f"path={printable(path)!r}. Add some; a single long text is split at its end with "
            "rows=windows."
        )

    def is_held(number):
        return int((number + 1) * fraction) > int(number * fraction)

    held = int(count * fraction)
    if held in (0, count):
        held, is_held = 1, lambda number: number == count - 1
    return is_held, f"{held:,} of {count:,} {what}, evenly spread, are held out"


def of_texts(lengths: list[int], fraction: float | None) -> tuple[list[int], str]:
    """Where texts are cut: what comes before is trained on, the rest is held out.

    Of several, whole ones are held out, spread over all. Where there are few, or a very long one,
    so that this would be a single one or more than twice the asked part, each is cut near its end.

    Args:
        lengths: ints, characters of each text, at least one.
        fraction: float in `(0, 1)`, the part that is held out; `None` for nothing.

    Returns:
        A list of ints, the place in each text (0 where all of it is held out); and a sentence.

    Raises:
        ValueError: if nothing would be held out.

    Example:

    >>> of_texts([100], 0.1)
    ([90], 'the last 0.1 of the text is held out')
    """
    check_fraction(fraction)
    if fraction is None:
        return lengths, "nothing is held out"
    held_out = _spread(lengths, fraction)
    part = sum(n for n, held in zip(lengths, held_out, strict=True) if held) / sum(lengths)
    if part <= 2 * fraction and 1 < sum(held_out) < len(lengths):
        cuts = [0 if held else n for n, held in zip(lengths, held_out, strict=True)]
        counts = f"{sum(held_out)} of {len(lengths)} files"
        how = f"{counts}, spread over their names, are held out ({part:.3g} of the characters)"
        return cuts, how
    cuts = [length - int(length * fraction) for length in lengths]
    if cuts == lengths:
        split_text(range(max(lengths)), fraction)  # says what is too short
    where = "each file" if len(lengths) > 1 else "the text"
    return cuts, f"the last {fraction:.3g} of {where} is held out"


def _spread(lengths: list[int], fraction: float) -> list[bool]:
    """Which texts to hold out: each whose predecessors fall behind the asked part so far."""
    held_out, due, held = [], 0.0, 0
    for length in lengths:
        due += fraction * length
        held_out.append(held < due)
        held += length * held_out[-1]
    return held_out
