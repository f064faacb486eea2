"""The examples in the library's docstrings do what they show."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest

import md4keras

# What is of another backend can be imported only under it.
OTHER_BACKENDS = {
    f"md4keras.backend._{name}"
    for name in {"jax", "tensorflow", "torch"} - {keras.backend.backend()}
}
MODULES = sorted(
    {"md4keras"}
    | {info.name for info in pkgutil.walk_packages(md4keras.__path__, "md4keras.")} - OTHER_BACKENDS
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name == "md4keras.distribution" and not md4keras.backend.HAS_LAYOUTS:
        pytest.skip("Keras has layouts on JAX alone")
    failures, examples = doctest.testmod(
        importlib.import_module(name),
        extraglobs={"keras": keras, "md4keras": md4keras, "np": np},
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert failures == 0, f"{failures} of {examples} examples failed; see the captured output"
