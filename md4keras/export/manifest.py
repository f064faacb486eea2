"""A readable description of an export: what can be asked, in which limits."""

import dataclasses
import json
from pathlib import Path

import keras

from md4keras.version import __version__


def write(path: Path, model, sampler: dict | None, limits, signatures: dict) -> None:
    """Writes the manifest, JSON.

    Args:
        path: of the file.
        model: the exported model.
        sampler: its configuration, as Keras serialises it; `None` without one.
        limits: a `Limits`; `None` where nothing is checked.
        signatures: dictionary of `Signature`.
    """
    network = model.network
    content = {
        "md4keras_version": __version__,
        "keras_version": keras.version(),
        "model": {
            "kind": type(model).__name__,
            "network": type(network).__name__,
            "data_shape": list(network.data_shape),
            "vocabulary_size": network.vocabulary_size,
            "mask_token": model.mask_token,
            "num_classes": network.num_classes,
        },
    }
    if sampler is not None:
        content["sampler"] = {"name": sampler["class_name"], **sampler["config"]}
    if limits is not None:
        content["limits"] = dataclasses.asdict(limits)
        if len(network.data_shape) == 1:
            content["limits"]["length"] = limits.length or network.data_shape[0]
        else:
            del content["limits"]["length"]
    content["signatures"] = {name: _described(each) for name, each in signatures.items()}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _described(signature) -> dict:
    inputs = {}
    for each in signature.arguments:
        inputs[each.name] = {
            "dtype": each.dtype,
            "shape": list(each.shape),
            "meaning": each.meaning,
        }
        if each.default is not None:
            inputs[each.name]["default"] = each.default
    return {"meaning": signature.meaning, "inputs": inputs, "outputs": signature.outputs}
