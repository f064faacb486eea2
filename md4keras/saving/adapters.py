"""Weights, and the adapters beside them, in two files.

What Keras does with adapters is no way to keep them: `save_weights` and `model.save` add them to
the weights (quantized ones are rounded once more for it), and loading sets both matrices of an
adapter to zero, from where no gradient moves them.
"""

from pathlib import Path

from md4keras.presets.layout import ADAPTERS, WEIGHTS


def write_weights(model, folder: Path) -> None:
    """Writes the weights of a model or network, and its adapters apart from them."""
    network = getattr(model, "network", model)
    if not model.has_lora:
        model.save_weights(folder / WEIGHTS)
        return
    with network.lora_apart():
        model.save_weights(folder / WEIGHTS)
    network.save_lora_weights(folder / ADAPTERS)


def read_weights(model, folder: Path, with_adapters: bool) -> None:
    """Loads what `write_weights` wrote."""
    model.load_weights(folder / WEIGHTS)
    if with_adapters:
        model.load_lora_weights(folder / ADAPTERS)
