"""Random weights for FID's Inception network, the same wherever they are made."""

import numpy as np

from md4keras.evaluation import inception


def names_and_shapes() -> dict[str, tuple]:
    """What torch-fidelity's file has, as far as the network uses it."""
    found = {}
    for layer in inception.build_network().layers:
        names = inception._names_of(layer)
        for name, variable in zip(names, layer.weights, strict=True):
            shape = tuple(variable.shape)
            found[name] = {4: (shape[-1:] + shape[-2:-1] + shape[:2]), 2: shape[::-1]}.get(
                len(shape), shape
            )
    return found


def random_weights() -> dict[str, np.ndarray]:
    """Kernels that keep the size of what they see; norms that do something."""
    generator = np.random.default_rng(0)
    weights = {}
    for name, shape in sorted(names_and_shapes().items()):
        draw = generator.normal(size=shape).astype("float32")
        if len(shape) > 1:
            draw *= np.sqrt(2.0 / np.prod(shape[1:]))
        elif name.endswith(("running_var", "bn.weight")):
            draw = 1.0 + 0.1 * np.abs(draw)
        else:
            draw *= 0.1
        weights[name] = draw.astype("float32")
    return weights


def images() -> np.ndarray:
    """Two images that are enlarged in one direction and made smaller in the other."""
    return np.random.default_rng(1).integers(0, 256, (2, 40, 310, 3)).astype("uint8")
