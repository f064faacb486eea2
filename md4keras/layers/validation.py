"""Checks of constructor arguments, shared by layers and networks."""

import numbers


def check_size(name: str, value, minimum: int = 1) -> None:
    """Raises a `ValueError` unless `value` is a whole number of at least `minimum`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < minimum:
        raise ValueError(
            f"`{name}` cannot be used as a size. Expected a whole number, at least {minimum}. "
            f"Received: {name}={value!r}. Give a larger whole number."
        )


def check_rate(name: str, value) -> None:
    """Raises a `ValueError` unless `value` is a probability below 1."""
    if not isinstance(value, numbers.Real) or not 0.0 <= value < 1.0:
        raise ValueError(
            f"`{name}` is the probability of dropping something. Expected a number in [0, 1). "
            f"Received: {name}={value!r}. Use 0.0 to drop nothing."
        )


def check_name(name: str, value, known) -> None:
    """Raises a `ValueError` unless `value` is among the `known` names."""
    if value not in known:
        listed = ", ".join(repr(item) for item in known)
        raise ValueError(
            f"Unknown `{name}`. Expected one of {listed}. Received: {name}={value!r}. "
            "Choose one of the known names."
        )
