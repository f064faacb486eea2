"""Arrays of a file that `torch.save` wrote, such as `pytorch_model.bin`; no code in it is run.

Such a file holds a pickle, which can name any function to call. Those that make tensors are few,
and a pickle that names another one is refused before anything is called. PyTorch's own reader of
weights (`weights_only=True`), which comes next, runs no code either, but fills the memory where it
is told to: it calls `bytearray` and the like.
"""

import functools
import math
import os
import pickletools
import re
import zipfile
from pathlib import Path

import numpy as np

from md4keras.conversion.checkpoint_files import unreadable
from md4keras.conversion.stored import StoredArray
from md4keras.files import import_optional

_MOST_PICKLE_BYTES = 64 * 2**20  # the numbers lie beside the pickle
_NAMES = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor_v2|parameter)|torch\.\w+Storage"
)
"""What the pickle of a dictionary of tensors names."""


def read_torch(path: str | os.PathLike) -> dict[str, StoredArray]:
    """The tensors of a file by name; they are mapped into memory, and read when asked for.

    Args:
        path: of a file that holds a dictionary of tensors.

    Raises:
        ImportError: if PyTorch is missing.
        ValueError: if the file holds anything but tensors (code above all), or more numbers than
            bytes, is damaged, or of a format from before PyTorch 1.6.
    """
    path = Path(path)
    torch = import_optional(
        "torch", "reads pytorch_model.bin (a folder with .safetensors files needs it not)"
    )
    _check_archive(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # each kind of damage has its own
        raise _refused(path, _reason(error)) from error
    if not isinstance(found, dict):
        raise _refused(path, f"it holds a {type(found).__name__}")
    tensors = {name: _checked(torch, path, name, value) for name, value in found.items()}
    # Names may share a tensor (tied weights); numbers that the file has not are those of no one.
    distinct = {(t.data_ptr(), tuple(t.shape), t.stride()): t.nbytes for t in tensors.values()}
    if sum(distinct.values()) > path.stat().st_size:
        raise _refused(path, "its tensors are larger than the file")
    return {
        name: StoredArray(
            tuple(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            functools.partial(_array, torch, tensor),
        )
        for name, tensor in tensors.items()
    }


def _check_archive(path: Path) -> None:
    """Raises a `ValueError` for what is no archive of plain parts, or a pickle of anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                raise _refused(path, "its parts are compressed")
            # PyTorch finds its parts in capitals, too.
            pickles = [part for part in parts if part.filename.lower().endswith(".pkl")]
            if sum(part.file_size for part in pickles) > _MOST_PICKLE_BYTES:
                raise _refused(path, f"its pickle has more than {_MOST_PICKLE_BYTES} bytes")
            for part in pickles:
                _check_names(path, archive.read(part))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise _refused(path, f"it is no whole archive of torch.save ({error})") from error


def _check_names(path: Path, pickle: bytes) -> None:
    """Raises a `ValueError` for a pickle that names what is not needed for tensors."""
    try:
        named = {arg for code, arg, _ in pickletools.genops(pickle) if code.name == "GLOBAL"}
    except Exception as error:  # each kind of damage has its own
        raise _refused(path, f"its pickle is damaged ({type(error).__name__})") from error
    for name in sorted(name.replace(" ", ".") for name in named):
        if not _NAMES.fullmatch(name):
            raise _refused(path, f"its pickle names {name[:100]}, which is not for tensors")


def _checked(torch, path: Path, name, value):
    if not isinstance(name, str):
        raise _refused(path, f"it has an entry by the name {name!r}")
    if not isinstance(value, torch.Tensor):
        raise _refused(path, f"'{name}' is a {type(value).__name__}")
    plain = value.layout == torch.strided and value.device.type == "cpu"
    if not plain or value.is_quantized or value.is_complex():
        raise _refused(path, f"'{name}' is no plain tensor ({value.dtype}, {value.layout})")
    if math.prod(value.shape) * value.element_size() > value.untyped_storage().nbytes():
        raise _refused(path, f"'{name}' is larger than its numbers")
    return value.detach()


def _array(torch, tensor) -> np.ndarray:
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor.contiguous()).numpy()


def _reason(error: Exception) -> str:
    """The sentence of PyTorch's message that names what was met."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("Unsupported")]
    words = (told or lines or [type(error).__name__])[0][:300].rstrip(".")
    return f"PyTorch's reader of weights refuses it ({words})"


def _refused(path: Path, problem: str) -> ValueError:
    return unreadable(
        path,
        problem,
        "a dictionary of tensors alone, as torch.save writes it",
        "Take the checkpoint's .safetensors files.",
    )
