"""Training recipes, one short file a data set: `python -m train.<name> --help`.

They run on JAX unless KERAS_BACKEND says otherwise.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
