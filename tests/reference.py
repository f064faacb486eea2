"""Numbers computed with the published implementation, and networks with its parameters.

They are looked for in the folder that `MD4KERAS_REFERENCE` names (by default `../shared/reference`
beside the repository), then in `tests/data`, which has the few that the suite cannot do without.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from md4keras.conversion import build_network, load_network

ROOT = Path(__file__).resolve().parents[1]


def reference_file(name: str) -> Path:
    """Where a reference file lies; skips the test where it is in neither place."""
    folder = Path(os.environ.get("MD4KERAS_REFERENCE", ROOT.parent / "shared" / "reference"))
    for path in (folder / name, ROOT / "tests" / "data" / name):
        if path.is_file():
            return path
    pytest.skip(f"{name} not found: set MD4KERAS_REFERENCE to the folder of reference files")


def load_reference(name: str):
    """The arrays of `name`.npz."""
    return np.load(reference_file(f"{name}.npz"), allow_pickle=False)


def reference_constructor(reference) -> dict:
    """The published constructor arguments of a file, `data_shape` included."""
    config = json.loads(str(reference["config"]))
    outer = {name: config[name] for name in ("time_features", "classes") if name in config}
    shape = next(reference[name].shape[1:] for name in ("zt", "x") if name in reference)
    return {"data_shape": list(shape), **outer, **config["constructor"]}


def reference_params(reference) -> dict:
    """The published parameters of a file, with their full names."""
    return {name: reference[name] for name in reference.files if name.startswith("params/")}


def reference_network(reference):
    """A network with the parameters of a `transformer_*`, `unet_*` or `uvit_*` file."""
    network = build_network(reference_constructor(reference))
    params = {
        name.replace("params/", "params/classifier/", 1): array
        for name, array in reference_params(reference).items()
    }
    if "cond_table" in reference:
        params["params/cond_embeddings/embedding"] = reference["cond_table"]
    load_network(network, params)
    return network


def reference_inputs(reference) -> dict:
    """The inputs of such a network."""
    names = {"tokens": "zt", "time": "t", "label": "labels"}
    return {key: reference[name] for key, name in names.items() if name in reference}


def array(tensor) -> np.ndarray:
    """A tensor of any backend as a NumPy array."""
    return ops.convert_to_numpy(tensor)
