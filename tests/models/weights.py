"""Weights for models and networks of which no output may be trivial."""

import numpy as np


def randomised(model, seed=0):
    """Gives every weight a random value, so that no output is trivial."""
    rng = np.random.default_rng(seed)
    for variable in getattr(model, "network", model).trainable_variables:
        variable.assign(0.3 * rng.normal(size=variable.shape))
    return model
