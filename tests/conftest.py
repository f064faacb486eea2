"""What every test starts from: a backend, and the same random state."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest


@pytest.fixture(autouse=True)
def fresh_state():
    """Names and seeds do not depend on which tests ran before."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
