"""The likelihood of a set: `likelihood`, with errors over data and draws, curve and tables."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from md4keras.checks import check_has, check_whole
from md4keras.evaluation.likelihood_sums import LikelihoodSums
from md4keras.evaluation.nelbo import Nelbo
from md4keras.models.genmd4 import GenMD4
from md4keras.models.genmd4_steps import GenMD4Steps
from md4keras.models.likelihood import check_scoring
from md4keras.models.md4 import MD4

OWN = "own"  # the model's own number of steps
_MODEL = ("network", "schedule", "draw_steps")


class LikelihoodState(NamedTuple):
    """How far a measurement is.

    Attributes:
        examples: int, those that were scored completely.
        calls, most_calls: int, network calls of the present part of the data, so far and in all.
        result: a `Nelbo`; `None` before the last call.
    """

    examples: int
    calls: int
    most_calls: int
    result: Nelbo | None


def likelihood(
    model,
    data,
    num_draws: int = 16,
    seed: int = 0,
    batch_size: int = 64,
    timesteps=OWN,
    tables: bool = False,
) -> Nelbo:
    """The bound on `-log p` of a set of examples, with standard errors.

    Each example has `num_draws` draws of masks, one in each of as many equal strata of time. They
    depend on `(seed, number of the example)` alone: the figures are the same for any batch size, in
    whatever parts the data come, and on any number of devices, up to float32 rounding.

    Args:
        model: a `MD4` or `GenMD4`.
        data: what `model.score` takes; `(x, labels)`; or an iterable of such batches, as a data
            set is, which is read once.
        num_draws: int, at least 2, of each example.
        seed: int in `[0, 2**32)`.
        batch_size: int, rows in one network call.
        timesteps: int, to measure the bound of the discrete-time process of so many steps; `None`
            for that of continuous time; by default as the model was trained.
        tables: bool, whether to tell what each position and token value costs.

    Returns:
        A `Nelbo`.

    Raises:
        ValueError: for bad arguments, data without examples, or a bound that is not finite.

    Example:

    >>> found = md4keras.evaluation.likelihood(model, np.zeros((10, 8), "int32"), num_draws=2)
    >>> round(found.bits_per_dim.value, 2)  # a new network guesses evenly: log2(5)
    2.32
    """
    steps = likelihood_steps(model, data, num_draws, seed, batch_size, timesteps, tables)
    *_, last = steps
    return last.result


def likelihood_steps(
    model,
    data,
    num_draws: int = 16,
    seed: int = 0,
    batch_size: int = 64,
    timesteps=OWN,
    tables: bool = False,
) -> Iterator[LikelihoodState]:
    """As `likelihood`, as an iterator: a `LikelihoodState` after each network call.

    Example:

    >>> for state in likelihood_steps(model, np.zeros((10, 8), "int32"), num_draws=2):
    ...     pass
    >>> state.calls == state.most_calls
    True
    """
    check_has("a model", model, _MODEL, "Pass a `MD4`, or what `md4keras.load_model` returns.")
    model = _with_timesteps(model, timesteps)
    parts = _parts(model, data)
    first = _next_part(model, parts)
    if first is None:
        raise ValueError(
            "There is nothing to measure. Expected examples. Received: data without any. Check "
            "the path, the limit, or whether an iterator was read before."
        )
    how = num_draws, seed, batch_size
    steps = model.draw_steps(first, *how, 0, by_position=tables)  # its mistakes are told at once
    return _states(model, parts, first, steps, how, tables)


def _states(model, parts, batch, steps, how, tables: bool):
    num_draws, seed, _ = how
    sums = LikelihoodSums(model, num_draws, tables)
    while batch is not None:
        sums.begin(batch)
        for drawn in steps:
            sums.add(batch, drawn)
            if drawn.calls < drawn.most_calls:
                yield LikelihoodState(sums.count, drawn.calls, drawn.most_calls, None)
        sums.end()
        batch = _next_part(model, parts)
        if batch is not None:
            yield LikelihoodState(sums.count, drawn.calls, drawn.most_calls, None)
            steps = model.draw_steps(batch, *how, sums.count, by_position=tables)
    result = sums.result(model, num_draws, seed)
    yield LikelihoodState(sums.count, drawn.calls, drawn.most_calls, result)


def _with_timesteps(model, timesteps):
    """The model, or another on the same network and schedule with so many steps."""
    own = getattr(model, "timesteps", None)
    if isinstance(timesteps, str) and timesteps == OWN:
        return model
    if timesteps is not None:
        check_whole("timesteps", timesteps, mend="None is continuous time.")
    if timesteps == own:
        return model
    if type(model) is GenMD4:
        return GenMD4Steps(model, timesteps)
    if type(model) is not MD4:
        raise ValueError(
            "The number of steps of this model's process cannot be chosen. Expected a MD4 or "
            f"GenMD4. Received: timesteps={timesteps}, a {type(model).__name__}. Leave it out."
        )
    return MD4(model.network, schedule=model.schedule, timesteps=timesteps)


def _parts(model, data: Any) -> Iterator:
    """The batches of a data set; arrays, dictionaries and lists of texts are one."""
    if hasattr(data, "shape") or isinstance(data, (dict, tuple)):
        return iter([data])
    if isinstance(data, list):
        rank = 1 + len(model.network.data_shape)  # of a batch
        several = bool(data) and (isinstance(data[0], (dict, tuple)) or np.ndim(data[0]) == rank)
        return iter(data if several else [data])
    if isinstance(data, Iterable) and not isinstance(data, str):
        return iter(data)
    raise ValueError(
        "These are no data. Expected tokens, `(tokens, labels)`, a dictionary, a list of texts' "
        f"ids, or an iterable of such batches. Received: {type(data).__name__}. Encode texts with "
        "the model's tokenizer."
    )


def _next_part(model, parts: Iterator):
    """The next batch that has examples, as `check_scoring` returns it; `None` after the last."""
    for part in parts:
        x, *others = part if isinstance(part, tuple) else (part,)
        labels, weights = (*others, None, None)[:2]
        if weights is not None or len(others) > 2:
            raise ValueError(
                "Every example counts the same in a likelihood. Expected batches of tokens, or of "
                f"tokens and labels. Received: a tuple of {len(part)}. Leave the weights out."
            )
        tokens = x["tokens"] if isinstance(x, dict) and "tokens" in x else x
        if len(tokens):
            return check_scoring(model.network, x, labels)
    return None
