"""Measured figures as people write them: with their errors, in no more digits than these allow."""

import math

_LARGE = 1e7  # what is larger is written as powers of ten


def in_words(row: dict) -> tuple[str, str, str]:
    """A row's figure with its error, the error of the draws alone, and the ends of the interval.

    In as many digits as the error allows: two of its own, and seven places at most.

    Args:
        row: dictionary of the numbers `"value"`, `"error"`, `"error_of_draws"`, and the ends of
            the `"interval"`; as in a `Report`.

    Example:

    >>> row = {"value": 1.71234, "error": 0.0345, "error_of_draws": 0.01, "interval": [1.6, 1.8]}
    >>> in_words(row)
    ('1.712 ± 0.035', '0.010', '1.600 to 1.800')
    """
    value, error, (low, high) = row["value"], row["error"], row["interval"]
    if max(abs(value), error) >= _LARGE:
        return (
            f"{value:.4g} ± {error:.2g}",
            f"{row['error_of_draws']:.2g}",
            f"{low:.4g} to {high:.4g}",
        )
    places = 4 if error <= 0 else min(7, max(0, 1 - math.floor(math.log10(error))))
    value, error, draws, low, high = (
        f"{number:,.{places}f}" for number in (value, error, row["error_of_draws"], low, high)
    )
    return f"{value} ± {error}", draws, f"{low} to {high}"
