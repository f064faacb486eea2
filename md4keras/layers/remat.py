"""Rematerialisation: computing again in the backward pass what the forward pass did not keep.

Reference: Chen et al. 2016, *Training Deep Nets with Sublinear Memory Cost* (arXiv 1604.06174).
"""

import keras
from keras import ops

from md4keras import backend
from md4keras.layers.dropout import given_seeds

REMAT_MODES = (None, "activations", "full")
"""What a network computes again: nothing; norms, activations and attention weights (on JAX no
product with a kernel is then done twice); or whole blocks, of which only the input is kept."""


def rematerialize(function, *inputs, dropouts=(), when: bool = True, through_weights: bool = False):
    """`function(*inputs)`, of which only the inputs are kept for the backward pass.

    Seeds are drawn beforehand, so that both passes drop the same.

    Args:
        function: of tensors (or `None`), returns a tensor or a tuple of tensors.
        dropouts: the `Dropout` layers that the function calls in training.
        when: bool; `False` calls the function as it is.
        through_weights: bool, whether every large intermediate result depends on the weights that
            the function reads (spares arithmetic on JAX).
    """
    if not when:
        return function(*inputs)
    dropouts = [dropout for dropout in dropouts if dropout.rate > 0]
    seeds = [dropout.seed_generator.next() for dropout in dropouts]
    kinds = [None if x is None else keras.backend.standardize_dtype(x.dtype) for x in inputs]

    def run(*tensors):
        tensors = iter(tensors)
        given = [None if kind is None else next(tensors) for kind in kinds]
        pairs = zip(given, kinds, strict=True)
        given = [ops.cast(x, kind) if kind == "bool" else x for x, kind in pairs]
        with given_seeds(dropouts, list(tensors)):
            return function(*given)

    # TensorFlow takes no truth values here.
    pairs = [(x, kind) for x, kind in zip(inputs, kinds, strict=True) if kind]
    tensors = [ops.cast(x, "int8") if kind == "bool" else x for x, kind in pairs]
    return backend.remat(run, through_weights)(*tensors, *seeds)
