"""Training recipes, one short file a data set: `python -m train.<name> --help`.

They run on JAX unless KERAS_BACKEND, or Keras's configuration, says otherwise.
"""

import md4keras  # noqa: F401  (chooses the backend, before anything imports Keras)
