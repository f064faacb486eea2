"""What a model thinks of each position: how likely what stands there is, and what else might."""

import dataclasses

import numpy as np
from keras import ops


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """The tokens that a model finds likely at `M` positions of one example.

    Attributes:
        positions: int64 `[M]`, rising, in the flattened example.
        probability: float64 `[M]`, of the token that stands there, given all the others.
        values: int32 `[M, k]`, the likeliest tokens, the likeliest first.
        probabilities: float64 `[M, k]`, theirs.
    """

    positions: np.ndarray
    probability: np.ndarray
    values: np.ndarray
    probabilities: np.ndarray


def candidates(
    model, tokens, mask, k: int = 5, labels=None, batch_size: int = 64, on_step=None
) -> Candidates:
    """What might stand at each filled position, given everything else.

    For each position `i` in `mask`, the model is asked for `p(x_i | x without x_i)`: that position
    alone is hidden, at the time at which the schedule expects one mask among the `N` positions.
    (A GenMD4 network also takes it for evidence that the position is masked at that time.)

    Args:
        model: A `MD4` or `GenMD4`.
        tokens: int `[*data_shape]`, one complete example, such as a row that `infill` returned.
        mask: bool `[*data_shape]`, `True` where the example was filled: the positions to look at.
        k: How many tokens to list, from the likeliest on; no more than there are values.
        labels: int, the example's class, for a network with classes.
        batch_size: How many positions are looked at in one call of the network. Every call has so
            many rows (the last is filled up by repeated ones), so that one shape is compiled.
        on_step: Function of `(calls, most)`, called after each network call with their number so
            far and in all; what it raises ends the work. `None` for none.

    Returns:
        A `Candidates`.

    Raises:
        ValueError: `tokens` is no complete example of the model, `mask` does not fit it or is
            `False` everywhere, or `k`, `batch_size` or `labels` is no good.
    """
    _check_positive("k", k)
    _check_positive("batch_size", batch_size)
    tokens, mask = _check_example(model, tokens, mask)
    if labels is not None:
        labels = np.full(batch_size, _check_label(labels), "int32")
    time = float(ops.convert_to_numpy(model.schedule.time_of_masked_fraction(1 / tokens.size)))
    positions = np.flatnonzero(mask)  # [M]
    most, parts = -(-len(positions) // batch_size), []
    for call in range(most):
        part = positions[call * batch_size :][:batch_size]
        parts.append(_conditionals(model, tokens, part, time, labels, batch_size))
        if on_step is not None:
            on_step(call + 1, most)
    p = np.concatenate(parts)  # [M, V]
    likeliest = np.argsort(-p, axis=-1, kind="stable")[:, :k]  # [M, k]
    there = tokens.ravel()[positions].astype("int64")
    return Candidates(
        positions=positions,
        probability=np.take_along_axis(p, there[:, None], axis=-1)[:, 0],
        values=likeliest.astype("int32"),
        probabilities=np.take_along_axis(p, likeliest, axis=-1),
    )


def entropy_map(model, zt, time="auto", labels=None) -> np.ndarray:
    """How unsure the model is at each masked position: `-sum_v p(v) log2 p(v)`.

    Args:
        model: A `MD4` or `GenMD4`.
        zt: int `[B, *data_shape]`, states with masks.
        time: float scalar or `[B]` in `[0, 1]`, the time of the states; `"auto"` for the time at
            which the schedule expects each state's fraction of masks.
        labels: int `[B]`, for a network with classes.

    Returns:
        float64 `[B, *data_shape]`, bits; 0 where `zt` is not masked.

    Raises:
        ValueError: for states, times or labels that do not fit the model.
    """
    zt = _host_array(zt)
    if isinstance(time, str) and time == "auto":
        fraction = (zt == model.mask_token).reshape(len(zt), -1).mean(axis=-1)  # [B]
        time = ops.convert_to_numpy(model.schedule.time_of_masked_fraction(fraction))
    logits = ops.convert_to_numpy(model.predict_logits(zt, time, labels))  # [B, *data_shape, V]
    masked = zt == model.mask_token
    p = _softmax(logits[masked])  # [masked positions, V]
    entropy = np.zeros(zt.shape)
    entropy[masked] = 0.0 - (p * np.log2(np.where(p > 0, p, 1.0))).sum(axis=-1)
    return entropy


def _conditionals(model, tokens, positions, time, labels, rows):
    """`p(x_i | all others)` of at most `rows` positions `i`: float64 `[positions, V]`."""
    hidden = np.resize(positions, rows)  # [rows], repeated from the first on
    zt = np.repeat(tokens[None], rows, axis=0)  # [rows, *data_shape]
    zt.reshape(rows, -1)[np.arange(rows), hidden] = model.mask_token
    logits = ops.convert_to_numpy(model.predict_logits(zt, time, labels))
    logits = logits.reshape(rows, tokens.size, -1)  # [rows, N, V]
    used = np.arange(len(positions))
    return _softmax(logits[used, positions])


def _softmax(logits):
    logits = logits.astype("float64")
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def _host_array(values):
    return np.asarray(ops.convert_to_numpy(values) if ops.is_tensor(values) else values)


def _check_positive(name, value):
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}. Use 5 or so."
        )


def _check_label(labels):
    labels = _host_array(labels)
    if labels.size != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "`labels` is the class of the one example: expected an integer. "
            f"Received: labels of shape={labels.shape}, dtype={labels.dtype}. "
            "Look at one example at a time."
        )
    return labels.item()


def _check_example(model, tokens, mask):
    """One complete example, int32, and where it was filled, bool of its shape."""
    tokens, mask = _host_array(tokens), _host_array(mask)
    rank = len(model.network.data_shape)
    if tokens.ndim != rank or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            f"`tokens` is one example: expected integers in {rank} dimensions. "
            f"Received: tokens of shape={tokens.shape}, dtype={tokens.dtype}. "
            "Take one row of what `infill` returns."
        )
    if mask.dtype != bool or mask.shape != tokens.shape:
        raise ValueError(
            f"`mask` is a truth value for each token: expected booleans of shape {tokens.shape}. "
            f"Received: mask of shape={mask.shape}, dtype={mask.dtype}. "
            "Pass the mask of this one example."
        )
    if not mask.any():
        raise ValueError(
            "Nothing was filled: expected at least one True in `mask`. "
            f"Received: mask of shape={mask.shape}, all False. Mark the positions to look at."
        )
    if tokens.min() < 0 or tokens.max() >= model.mask_token:
        raise ValueError(
            f"`tokens` is not complete: expected values in [0, {model.mask_token}), which leaves "
            f"out the mask token. Received: tokens from {tokens.min()} to {tokens.max()}. "
            "Fill the masks with `infill` first."
        )
    return tokens.astype("int32"), mask
