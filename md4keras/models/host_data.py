"""Data of `fit` and `evaluate` that lie on the host: looked at before any work."""

import copy
import functools

import numpy as np

from md4keras.checks import as_array
from md4keras.models import batches, validation


def check_host_data(network, x, y=None, sample_weight=None) -> None:
    """Checks the values of arrays before training starts; passes other data by.

    (Keras reads data sets and generators batch by batch; they are checked there.)
    """
    if x is None:
        raise ValueError(
            "There is nothing to work on. Expected tokens [n, *data_shape] or a data set. "
            "Received: x=None"
        )
    if y is None and sample_weight is not None:
        raise ValueError(
            "Sample weights without labels would be dropped by Keras. Expected labels as `y`, or "
            "batches that hold the weights. Received: y=None. Without classes, give "
            "`{'tokens': tokens, 'sample_weight': sample_weight}`, or a generator of "
            "`(tokens, None, sample_weight)`."
        )
    if isinstance(x, dict):
        x = {name: _on_host(network, name, values) for name, values in x.items()}
    else:
        x = _on_host(network, "tokens", x)
    y, sample_weight = _on_host(network, "labels", y), _on_host(network, "weights", sample_weight)
    found = batches.entries(x, y)
    for weights in (sample_weight, found["sample_weight"]):
        if isinstance(weights, np.ndarray) and weights.dtype.kind in "biuf":
            validation.check_weights(weights)
    tokens = found["tokens"]
    if not isinstance(tokens, np.ndarray):
        return
    batch = batches.arranged(network, x, y, sample_weight)
    validation.check_host_tokens(network, batch.x)
    y = batch.labels
    if isinstance(y, np.ndarray):
        validation.check_host_labels(network, y)
        if len(tokens) != len(y):
            raise ValueError(
                "Each example needs one label. Expected arrays of the same length. "
                f"Received: {len(tokens)} examples and {len(y)} labels"
            )


def in_tuples(x):
    """Data whose batches are tuples, which Keras wants of some: `(batch,)`, if they are none.

    Args:
        x: any data for `fit`. Generators, other iterators and PyTorch's `DataLoader`s may give
            arrays and dictionaries as they are; the rest is returned as it is.
    """
    if hasattr(x, "__next__"):
        return (_tuple(batch) for batch in x)
    if any(kind.__name__ == "DataLoader" and "torch" in kind.__module__ for kind in type(x).mro()):
        x = copy.copy(x)
        x.collate_fn = functools.partial(_collate, x.collate_fn)
    return x


def _collate(collate, examples) -> tuple:
    return _tuple(collate(examples))


def _tuple(batch) -> tuple:
    return tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)


def _on_host(network, name: str, values):
    """Tensors as arrays; a `ValueError` for lists and strings, which Keras would not take."""
    if isinstance(values, (list, tuple, str)):
        values = as_array(name, values)
        if name == "tokens":
            validation.check_host_tokens(network, values)
        elif name in ("label", "labels"):
            validation.check_host_labels(network, values)
        raise ValueError(
            f"`{name}` is a list. Expected an array, or a data set. Received: {name} of "
            f"shape={values.shape}. Give `np.asarray({name})`."
        )
    return batches.to_array(values)
