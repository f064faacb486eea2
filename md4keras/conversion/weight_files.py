"""The weights of a folder as the Hugging Face hub keeps them: one file, or shards and an index."""

from pathlib import Path

from md4keras.conversion.checkpoint_files import file_in, read_json, unreadable
from md4keras.conversion.safetensors_file import read_safetensors
from md4keras.conversion.stored import StoredArray
from md4keras.conversion.torch_file import read_torch

_MOST_SHARDS = 10_000
_READERS = {"model.safetensors": read_safetensors, "pytorch_model.bin": read_torch}

WEIGHTS = tuple(f"{name}{index}" for name in _READERS for index in ("", ".index.json"))
"""The names that weights have in a folder; the first that is there is taken."""

SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
TORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin")
"""What the files of a checkpoint are called on the hub."""


def has_weights(folder: Path) -> bool:
    """Whether a folder has weights by one of these names."""
    return any((folder / name).exists() for name in WEIGHTS)


def read_weights(folder: Path) -> dict[str, StoredArray]:
    """The arrays of a folder's weights by name, whose numbers are read when they are asked for.

    Args:
        folder: path, with one of `WEIGHTS`.

    Raises:
        ImportError: for a `pytorch_model.bin` without PyTorch.
        ValueError: if there are no weights, a file is damaged or missing, or the index names a
            file outside of the folder, or other arrays than those of its files.
    """
    for name, read in _READERS.items():
        if (folder / name).exists():
            return read(file_in(folder, name))
        if (folder / f"{name}.index.json").exists():
            return _shards(folder, f"{name}.index.json", read)
    expected, mend = f"one of {', '.join(WEIGHTS)}", "Name the folder of a checkpoint."
    raise unreadable(folder, "the folder has no weights", expected, mend)


def _shards(folder: Path, index: str, read) -> dict[str, StoredArray]:
    path = file_in(folder, index)
    names = read_json(path).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise _bad_index(path, "it has no weight_map")
    if not all(isinstance(file, str) for file in names.values()):
        raise _bad_index(path, "its weight_map names no files")
    wanted_of = {}  # the names of the arrays of each file
    for name, file in names.items():
        wanted_of.setdefault(file, set()).add(name)
    if len(wanted_of) > _MOST_SHARDS:
        raise _bad_index(path, f"it names {len(wanted_of)} files")
    found = {}
    for file, wanted in sorted(wanted_of.items()):
        arrays = read(file_in(folder, file))
        if wrong := sorted(wanted ^ arrays.keys(), key=str):
            problem = f"'{file}' and the index differ in arrays such as '{wrong[0]}'"
            raise _bad_index(path, problem)
        found |= arrays
    return found


def _bad_index(path: Path, problem: str) -> ValueError:
    expected = "an index that says of each array which file has it"
    return unreadable(path, problem, expected, "Download the checkpoint again.")
