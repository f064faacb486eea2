"""Averaged weights: what is evaluated, shown and saved, once they have forgotten the start."""

import contextlib
from collections.abc import Iterator

from md4keras import backend

MOST_OF_START = 0.01
"""The share of the start at which averages are no result yet.

The average after `n` steps holds `momentum**n` of the weights of the first one. A per cent of them
changes no third digit of the bits per dimension; a tenth changes the second.
"""


def start_share(optimizer) -> float:
    """The share of the first step's weights in an optimizer's averages; 1 without averages."""
    if not getattr(optimizer, "use_ema", False):
        return 1.0
    return optimizer.ema_momentum ** max(int(optimizer.iterations.numpy()) - 1, 0)


def are_used(optimizer) -> bool:
    """Whether the averages are the result; else the weights of the last step are."""
    return start_share(optimizer) <= MOST_OF_START


@contextlib.contextmanager
def result_weights(model) -> Iterator[None]:
    """The model with the weights that are its result by now, and then as it was before.

    (Not after an error, which ends the run: what was saved last is what counts.)
    """
    used = are_used(model.optimizer)
    if used:
        _swap(model)
    yield
    if used:
        _swap(model)


def keep_result(model) -> None:
    """Makes the averages what the end of `fit` is to leave in the model."""
    if model.optimizer.use_ema and not are_used(model.optimizer):
        for weight, average in _pairs(model):
            average.assign(backend.to_numpy(weight))


def finish(model) -> None:
    """Does what the end of `fit` does, for a run that stopped between its last step and its end."""
    keep_result(model)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    model.release_shared_buffers()


def _swap(model) -> None:
    for weight, average in _pairs(model):
        kept = backend.to_numpy(weight).copy()  # on PyTorch it would share the memory
        weight.assign(backend.to_numpy(average))
        average.assign(kept)


def _pairs(model):
    optimizer = model.optimizer
    averages = optimizer._model_variables_moving_average  # Keras has no public name for it
    return zip(optimizer._trainable_variables, averages, strict=True)
