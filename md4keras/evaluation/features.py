"""Features of samples and of real data, as networks give them: checks that all measures share."""

import numpy as np

from md4keras.checks import as_array


def check_features(name: str, values, least: int = 2) -> np.ndarray:
    """The values as a float64 array `[n, dim]` of finite numbers; else a `ValueError`.

    Args:
        name: str, the argument's name.
        values: an array, or what NumPy makes one of.
        least: int, how many rows are needed.
    """
    values = as_array(name, values)
    if values.ndim != 2 or len(values) < least or values.dtype.kind not in "iuf":
        raise ValueError(
            f"`{name}` cannot be used. Expected real numbers of shape [n, dim], with n of at least "
            f"{least}. Received: {name} of shape={values.shape}, dtype={values.dtype}. Pass what "
            "a network makes of all samples, one row each."
        )
    values = values.astype("float64")
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).any(axis=1).sum())
        raise ValueError(
            f"`{name}` cannot be used. Expected finite numbers. Received: {bad} of {len(values)} "
            "rows with NaN or infinity. Look at the network's weights and at those samples."
        )
    return values


def check_pair(names: tuple[str, str], first, second, least: int = 2):
    """Two arrays as `check_features` has them, of one width.

    Args:
        names: the arguments' names.
        first, second: `[n, dim]` and `[m, dim]`.
        least: int, how many rows each needs.
    """
    one, other = (
        check_features(name, values, least)
        for name, values in zip(names, (first, second), strict=True)
    )
    if one.shape[1] != other.shape[1]:
        raise ValueError(
            f"`{names[0]}` and `{names[1]}` are not of one network. Expected the same number of "
            f"features. Received: {one.shape[1]} and {other.shape[1]}. Take both from one network."
        )
    return one, other
