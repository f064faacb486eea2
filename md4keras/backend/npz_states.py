"""Training states of TensorFlow and PyTorch: the arrays in one `.npz` file."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
from keras import ops

from md4keras.files import whole_folder

ABOUT = Path("about", "about.json")
"""Where a state tells what it is; `StateFolder` reads it, whatever holds the arrays."""


class NpzStates:
    """Writes states one after another; each is a folder that is whole or does not exist."""

    name = "npz"
    is_first = True  # of the processes of a run

    def write(self, path: Path, variables: dict, about: dict) -> None:
        """Writes a state; returns when it is on the disk.

        Args:
            path: of its folder, which does not exist yet.
            variables: dict of Keras variables by name.
            about: dict of JSON values.
        """
        arrays = {name: _storable(ops.convert_to_numpy(v)) for name, v in variables.items()}
        with whole_folder(path) as folder:
            with open(folder / "arrays.npz", "wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())  # else the name could survive a power failure alone
            (folder / ABOUT).parent.mkdir()
            (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")

    def read(self, path: Path, variables: dict) -> dict:
        """The arrays for variables, by name.

        Raises:
            OSError, ValueError, KeyError: if they cannot be read.
        """
        try:
            with np.load(path / "arrays.npz", allow_pickle=False) as saved:
                return {name: saved[name] for name in variables}
        except (EOFError, zipfile.BadZipFile) as error:
            raise ValueError(str(error)) from error

    def wait(self) -> None:
        """Returns when all states are on the disk."""


def _storable(array: np.ndarray) -> np.ndarray:
    """A type that NumPy's files know; bfloat16 fits into float32 exactly."""
    return array if array.dtype.isbuiltin == 1 else array.astype("float32")
