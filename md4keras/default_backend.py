"""The backend where nobody has chosen one: JAX, which is installed with this package.

Keras itself would take TensorFlow, and fail where that is not installed.
"""

import json
import os
import sys
from pathlib import Path


def choose_backend() -> None:
    """Sets KERAS_BACKEND to JAX, unless Keras is there already or somebody chose another backend.

    A choice is KERAS_BACKEND, or a `keras.json` that names JAX or PyTorch. One that names
    TensorFlow is none: Keras writes such a file by itself when it is first imported.
    """
    if "keras" not in sys.modules and not os.environ.get("KERAS_BACKEND"):
        if _configured() in (None, "tensorflow"):
            os.environ["KERAS_BACKEND"] = "jax"
    if os.environ.get("KERAS_BACKEND") != "tensorflow":
        # Keras imports TensorFlow in passing, when it saves, to look whether an object is one of
        # its: its remarks on processors are none of the user's business then.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _configured() -> str | None:
    """The backend in Keras's configuration file, or `None`; the file is where Keras looks."""
    home = os.path.expanduser("~")
    folder = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    path = Path(os.environ.get("KERAS_HOME", folder), "keras.json").expanduser()
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        return None
