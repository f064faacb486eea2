"""The parameters in a training state that the published MD4 code saved with Orbax.

That code saves, for each step that it keeps, `checkpoints/STEP/train_state`: a tree of arrays by
their paths, with the parameters under `params`, their moving averages under `ema_params`, and the
optimiser's state. Only what is asked for is read, by TensorStore, the library that Orbax itself
keeps arrays with; no class of the training has to be known, and nothing in the folder is run.

Reference: https://github.com/google-deepmind/md4, `md4/train.py`.
"""

import functools
import os
from pathlib import Path

import numpy as np

from md4keras.checks import check_name
from md4keras.conversion.checkpoint_files import read_json, unreadable
from md4keras.conversion.stored import FLOATS, StoredArray, widened
from md4keras.files import import_optional, one_line

TREES = {"ema": "ema_params", "raw": "params"}
"""The averaged parameters and those of the last step, by their names in the training state."""

_STATE = "train_state"
_MANIFEST = "manifest.ocdbt"
_DRIVERS = {".zarray": "zarr", "zarr.json": "zarr3"}
_MOST_RATIO, _SMALL = 20, 64 * 2**20  # trained numbers are compressed to nine tenths or so


def find_state(folder: str | os.PathLike, step: int | None = None) -> Path | None:
    """The folder of a training state in or at a folder; `None` where it looks like none.

    Args:
        folder: path of a run (`workdir`), of its `checkpoints`, of a step, or of the state.
        step: int, of which step; `None` for the last one.

    Raises:
        ValueError: for a step that is not there.
    """
    folder = Path(folder)
    if _is_state(folder):
        return folder
    if _is_state(folder / _STATE):
        return folder / _STATE
    inside = folder / "checkpoints"
    folder = inside if inside.is_dir() else folder
    if not folder.is_dir():
        return None
    # Orbax calls a step that is not whole by another name, with the time at its end.
    names = [path.name for path in folder.iterdir() if _is_state(path / _STATE)]
    steps = {int(name): name for name in names if name.isdecimal() and name.isascii()}
    if not steps:
        return None
    if step is not None and step not in steps:
        raise unreadable(
            folder,
            f"it has no step {step}",
            f"one of {sorted(steps)}",
            "Leave the step out for the last one.",
        )
    return folder / steps[max(steps) if step is None else step] / _STATE


def read_state(state: Path, weights: str = "ema") -> dict[str, StoredArray]:
    """The parameters of a training state, `"params/classifier/..."`, not read yet.

    Args:
        state: path, of `find_state`.
        weights: `"ema"` or `"raw"`, the averaged parameters or those of the last step.

    Raises:
        ImportError: if TensorStore is missing.
        ValueError: if the state has none of these, is damaged, has a link in it, or says that it
            holds far more than is there.
    """
    check_name("weights", weights, TREES)
    tensorstore = import_optional("tensorstore", "reads Orbax checkpoints")
    size = _checked_size(state)
    tree, may_lack = TREES[weights], not _has_all_pieces(state)
    try:
        found = _opened(tensorstore, state, tree, may_lack)
    except ValueError as error:  # so TensorStore tells all that it meets
        raise _damaged(state, one_line(error)) from error
    if not found:
        other = "raw" if weights == "ema" else "ema"
        expected = f"arrays by the names {tree}.*"
        mend = f"Ask for the other ones: weights='{other}' (--{other})."
        raise unreadable(state, f"it has no {tree}", expected, mend)
    stored = {_name(tree, path): _stored(state, path, array) for path, array in found.items()}
    asked = sum(each.size * FLOATS[each.kept_as] for each in stored.values())
    if asked > _MOST_RATIO * size + _SMALL:
        raise _damaged(state, f"its arrays have {asked} bytes, and its files {size}")
    return stored


def _is_state(folder: Path) -> bool:
    has = any((folder / name).is_file() for name in (_MANIFEST, "_METADATA"))
    return has or any(folder.glob("*params.*/.zarray"))


def _checked_size(state: Path) -> int:
    """The bytes of all files of a folder, none of which is a link."""
    size = 0
    for path in state.rglob("*"):
        if path.is_symlink():
            expected, mend = "files and folders", "Copy the checkpoint as it was written."
            raise unreadable(path, "there is a link in it", expected, mend)
        size += path.stat().st_size if path.is_file() else 0
    return size


def _opened(tensorstore, state: Path, tree: str, may_lack: bool) -> dict:
    """The arrays below a tree by their dotted paths, opened but not read.

    Pieces of them that are not there are zeros if they `may_lack`, and damage else.
    """
    place = {"driver": "file", "path": f"{state.absolute()}{os.sep}"}
    if (state / _MANIFEST).is_file():
        place = {"driver": "ocdbt", "base": place}
    everything = tensorstore.KvStore.KeyRange(f"{tree}.", f"{tree}/")
    keys = tensorstore.KvStore.open(place).result().list(everything).result()
    drivers = {}
    for key in keys:
        path, _, file = key.decode("utf-8", "replace").rpartition("/")
        if file in _DRIVERS:
            drivers[path] = _DRIVERS[file]
    root = place.get("path", "")  # of a database within the folder, or of the folder
    waiting = {}
    for path, driver in drivers.items():
        spec = {"driver": driver, "kvstore": {**place, "path": f"{root}{path}/"}}
        spec["fill_missing_data_reads"] = may_lack
        waiting[path] = tensorstore.open(spec, open=True, read=True)
    return {path: opening.result() for path, opening in waiting.items()}


def _has_all_pieces(state: Path) -> bool:
    """Whether Orbax says that it wrote pieces of zeros, too; older versions left them out."""
    about = state / "_METADATA"
    told = read_json(about) if about.is_file() else {}
    return told.get("store_array_data_equal_to_fill_value") is True


def _stored(state: Path, path: str, array) -> StoredArray:
    shape, dtype = tuple(array.shape), array.dtype.name
    if dtype not in FLOATS:
        raise _damaged(state, f"'{path}' is of the type {dtype}")
    pieces = array.chunk_layout.read_chunk.shape, array.chunk_layout.write_chunk.shape
    if any(part > max(whole, 1) for piece in pieces for part, whole in zip(piece, shape)):  # noqa: B905
        raise _damaged(state, f"'{path}' is smaller than a piece of it")
    return StoredArray(shape, dtype, functools.partial(_read, state, path, array))


def _read(state: Path, path: str, array) -> np.ndarray:
    try:
        found = array.read().result()
    except ValueError as error:
        raise _damaged(state, f"'{path}' cannot be read ({one_line(error)})") from error
    return widened(found.view("uint16")) if found.dtype.name == "bfloat16" else found


def _name(tree: str, path: str) -> str:
    return "params/" + path.removeprefix(f"{tree}.").replace(".", "/")


def _damaged(state: Path, problem: str) -> ValueError:
    expected = "a training state as Orbax wrote it"
    return unreadable(state, problem, expected, "Copy the checkpoint anew.")
