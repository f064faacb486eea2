"""The published weights of FID's Inception network, from a file, without running code in it."""

import os
from pathlib import Path

import numpy as np

from md4keras.files import import_optional

SOURCE = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
"""Where torch-fidelity publishes them; Apache-2.0, converted from TensorFlow's."""


def read_weights(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a file by their names, such as `"Mixed_5b.branch1x1.conv.weight"`.

    Args:
        path: of a `.pth` (PyTorch), `.safetensors` or `.npz` file.

    Raises:
        ImportError: if PyTorch or safetensors is missing for its kind of file.
        ValueError: if there is no such file, or it cannot be read.
    """
    named = isinstance(path, (str, os.PathLike))
    path = Path(path) if named else path
    if not named or path.suffix not in _READERS or not path.is_file():
        raise ValueError(
            f"There are no weights of the Inception network at '{path}'. Expected a file of the "
            f"kind {', '.join(_READERS)}. Received: path='{path}'. Download {SOURCE} where there "
            "is a network, and pass the path of a copy."
        )
    try:
        return {name: np.asarray(array) for name, array in _READERS[path.suffix](path).items()}
    except ImportError:
        raise
    except Exception as error:  # each kind of file fails in its own ways
        raise ValueError(
            f"The weights of the Inception network cannot be read ({type(error).__name__}). "
            f"Expected arrays by name. Received: path='{path}'. Download {SOURCE} again."
        ) from error


def _of_torch(path: Path) -> dict:
    torch = import_optional("torch", "reads .pth files")
    found = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.float().numpy() for name, tensor in found.items()}


def _of_safetensors(path: Path) -> dict:
    return import_optional("safetensors.numpy", "reads such files", "safetensors").load_file(path)


def _of_numpy(path: Path) -> dict:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


_READERS = {".pth": _of_torch, ".pt": _of_torch, ".safetensors": _of_safetensors, ".npz": _of_numpy}
