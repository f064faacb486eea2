"""Measurements behind README's tables: `python -m benchmarks --help`.

Tables run on JAX unless KERAS_BACKEND says otherwise.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
