"""Likely tokens at each position: how likely the one is that stands there, and what else might."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from keras import ops

from md4keras.checks import check_integers, check_mask, check_whole
from md4keras.models.long_infill import windows

__all__ = ["Candidates", "candidate_steps", "candidates", "entropy_map", "long_candidate_steps"]


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """The tokens that a model finds likely at `M` positions of one example.

    Attributes:
        positions: int64 `[M]`, rising, in the flattened example.
        probability: float64 `[M]`, of the token that stands there, given all the others.
        values: int32 `[M, k]`, the likeliest tokens, the likeliest first.
        probabilities: float64 `[M, k]`, theirs.

    Example:

    >>> tokens, mask = np.zeros(8, "int32"), np.arange(8) == 3
    >>> found = md4keras.evaluation.candidates.candidates(model, tokens, mask, k=2, batch_size=1)
    >>> found.positions.tolist(), found.probabilities.round(1).tolist()
    ([3], [[0.2, 0.2]])
    """

    positions: np.ndarray
    probability: np.ndarray
    values: np.ndarray
    probabilities: np.ndarray


def candidates(model, tokens, mask, k: int = 5, labels=None, batch_size: int = 64) -> Candidates:
    """What might stand at each filled position, given everything else.

    For each position `i` in `mask`, the model is asked for `p(x_i | x without x_i)`: that position
    alone is hidden, at the time at which the schedule expects one mask among the `N` positions.
    (A GenMD4 network also takes it for evidence that the position is masked at that time.)

    Args:
        model: a `MD4` or `GenMD4`.
        tokens: int `[*data_shape]`, one complete example, such as a row that `infill` returned.
        mask: bool `[*data_shape]`, `True` where the example was filled: the positions to look at.
        k: int, how many tokens to list, from the likeliest on; no more than there are values.
        labels: int, the example's class, for a network with classes.
        batch_size: int, positions in one call of the network; the last call repeats some to be as
            large, so that one shape is compiled.

    Returns:
        A `Candidates`.

    Raises:
        ValueError: for tokens that are no complete example, or a mask that is `False` everywhere.

    Example:

    >>> tokens, mask = np.zeros(8, "int32"), np.arange(8) == 3
    >>> found = candidates(model, tokens, mask, batch_size=1)
    >>> found.probability.round(2).tolist()  # of the token that is there, given the rest
    [0.2]
    """
    *_, (found, _, _) = candidate_steps(model, tokens, mask, k, labels, batch_size)
    return found


def candidate_steps(
    model, tokens, mask, k: int = 5, labels=None, batch_size: int = 64
) -> Iterator[tuple[Candidates | None, int, int]]:
    """As `candidates`, step by step: to be watched, and stopped by leaving the loop.

    Args:
        model, tokens, mask, k, labels, batch_size: as in `candidates`.

    Returns:
        An iterator of `(found, calls, most_calls)`, one after each network call: the `Candidates`
        (`None` until the last one), the calls so far, and in all.

    Example:

    >>> tokens, mask = np.zeros(8, "int32"), np.arange(8) < 2
    >>> steps = candidate_steps(model, tokens, mask, batch_size=1)
    >>> [(calls, most) for found, calls, most in steps]
    [(1, 2), (2, 2)]
    """
    check_whole("k", k, mend="Use 5 or so.")
    check_whole("batch_size", batch_size, mend="Use 64 or so.")
    mend = "Take one row of what `infill` returns, with no mask left in it."
    shape = ("size",) * len(model.network.data_shape)
    tokens = check_integers("tokens", ops.convert_to_numpy(tokens), shape, model.mask_token, mend)
    tokens = tokens.astype("int32")
    (mask,) = check_mask("mask", ops.convert_to_numpy(mask), (1, *tokens.shape))
    if not mask.any():
        raise ValueError(
            "Nothing was filled. Expected at least one True in `mask`. "
            f"Received: mask of shape={mask.shape}, all False. Mark the positions to look at."
        )
    if labels is not None:
        mend = "Look at one example at a time, and give its class."
        label = check_integers("labels", np.ravel(ops.convert_to_numpy(labels)), (1,), mend=mend)
        labels = np.full(batch_size, label, "int32")
    time = float(ops.convert_to_numpy(model.schedule.time_of_masked_fraction(1 / tokens.size)))
    positions = np.flatnonzero(mask)  # [M]
    parts = [positions[i : i + batch_size] for i in range(0, len(positions), batch_size)]

    def steps():
        ps = []
        for calls, part in enumerate(parts, start=1):
            ps.append(_conditionals(model, tokens, part, time, labels, batch_size))
            done = calls == len(parts)
            found = _likeliest(tokens, positions, np.concatenate(ps), k) if done else None
            yield found, calls, len(parts)

    return steps()


def long_candidate_steps(model, tokens, mask, label, length: int) -> Iterator[tuple]:
    """As `candidate_steps`, for a text of any length, in the windows of `long_infill`.

    Args:
        model: a model of text.
        tokens: ints `[L]`, complete.
        mask: bool `[L]`, `True` where the text was filled.
        label: int, the example's class, or `None`.
        length: int, the tokens of a window.

    Example:

    >>> tokens, mask = np.zeros(20, "int32"), np.arange(20) % 10 == 0
    >>> *_, (found, calls, most) = long_candidate_steps(model, tokens, mask, None, length=8)
    >>> found.positions.tolist()
    [0, 10]
    """
    todo, found, done = windows(mask, length), [], 0
    for number, (begin, first, last) in enumerate(todo):
        own = np.zeros_like(mask)
        own[first:last] = mask[first:last]
        window = slice(begin, begin + length)
        steps = candidate_steps(model, tokens[window], own[window], labels=label)
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


def entropy_map(model, zt, time="auto", labels=None) -> np.ndarray:
    """How unsure the model is at each masked position: `-sum_v p(v) log2 p(v)`.

    Args:
        model: a `MD4` or `GenMD4`.
        zt: int `[B, *data_shape]`, states with masks.
        time: float scalar or `[B]` in `[0, 1]`, the time of the states; `"auto"` for the time at
            which the schedule expects each state's fraction of masks.
        labels: int `[B]`, for a network with classes.

    Returns:
        float64 `[B, *data_shape]`, bits; 0 where `zt` is not masked.

    Raises:
        ValueError: for states, times or labels that do not fit the model.

    Example:

    >>> zt = np.array([[0, 1, 2, 3, 4, 0, 5, 5]])  # 5 is the mask
    >>> print(entropy_map(model, zt).round(2))  # log2(5) bits
    [[0. 0. 0. 0. 0. 0. 2.32 2.32]]
    """
    zt = ops.convert_to_numpy(zt)
    masked = zt == model.mask_token
    if isinstance(time, str) and time == "auto":
        fraction = masked.reshape(len(zt), -1).mean(axis=-1)  # [B]
        time = ops.convert_to_numpy(model.schedule.time_of_masked_fraction(fraction))
    logits = ops.convert_to_numpy(model.predict_logits(zt, time, labels))  # [B, *data_shape, V]
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
    return _softmax(logits[np.arange(len(positions)), positions])


def _likeliest(tokens, positions, p, k) -> Candidates:
    """What the probabilities of these positions, `[M, V]`, say of one example."""
    values = np.argsort(-p, axis=-1, kind="stable")[:, :k]  # [M, k]
    return Candidates(
        positions=positions,
        probability=p[np.arange(len(p)), tokens.flat[positions]],
        values=values.astype("int32"),
        probabilities=np.take_along_axis(p, values, axis=-1),
    )


def _softmax(logits):
    logits = logits.astype("float64")
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def _together(found: list) -> Candidates:
    fields = [field.name for field in dataclasses.fields(Candidates)]
    arrays = {name: np.concatenate([getattr(part, name) for part in found]) for name in fields}
    return Candidates(**arrays)
