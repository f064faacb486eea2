"""Processes that build exports, under a Keras backend of their own.

An export comes out the same whatever backend the caller runs, because a fresh process under one
fixed backend builds it. The caller writes an order (a line of JSON) to its standard input, which
stays open until the work is done: where it closes, the caller is gone and the process ends. A wrong
order is refused with a line `refused: ...` on its standard error.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import keras

from md4keras import checkpoints
from md4keras.export import versions

_REFUSED = "\nrefused: "
_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX"}


class ExportError(RuntimeError):
    """A process could not build the export; the message holds what it wrote."""


def check_packages(modules: tuple[str, ...], extras: str) -> None:
    """Raises an `ImportError`, with the extras that mend it, where a module is missing."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"The export needs the package '{module}': pip install \"md4keras[{extras}]\""
            )


def build_version(
    module: str, folder: Path, version: int | None, order: dict, backend: str = "tensorflow"
) -> Path:
    """Has a process write a SavedModel into a new version; returns the version's path.

    Args:
        module: str, see `run`.
        folder: path, of the versions.
        version: int; `None` for the next that is free.
        order: dictionary, see `run`, with the `"model"` as `saved` takes it.
        backend: str, see `run`.

    Raises:
        ValueError, ExportError: as `saved`, `run` and `versions.new_version`.
    """
    with saved(order["model"]) as source, versions.new_version(folder, version) as new:
        run(module, order | {"model": source, "target": str(new.content.resolve())}, backend)
    say(order, f"Exported to {new.path}")
    return new.path


@contextlib.contextmanager
def saved(model) -> Iterator[str]:
    """The folder of a model that a process can load: its own if it is saved, or one for the while.

    Args:
        model: a `md4keras` model, or the folder of a saved one.

    Raises:
        ValueError: if the saved model is damaged or uses classes that are not md4keras's.
    """
    if isinstance(model, str | os.PathLike):
        yield str(checkpoints.read_saved(model, unknown_tokenizer=True).folder.resolve())
        return
    with tempfile.TemporaryDirectory() as work:
        yield str(checkpoints.save_model(model, Path(work) / "model"))


def run(module: str, order: dict, backend: str = "tensorflow") -> None:
    """Runs a module of this folder as a process, lets it print, and raises what it could not do.

    Args:
        module: str, such as `"build"`; it ends with `sys.exit(subprocesses.serve(function))`.
        order: dictionary, what JSON can hold.
        backend: str, the Keras backend of the process.

    Raises:
        ValueError: if the process refuses the order.
        ExportError: if it fails, with the end of what it wrote to standard error.
    """
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        # Building takes no accelerator from whoever uses it.
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    # -P: what lies in the working folder is none of the modules.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", f"md4keras.export.{module}"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended at once; its words say why
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
            errors = process.stderr.read()
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return
    _, refused, message = errors.rpartition(_REFUSED)
    if refused:
        raise ValueError(message.strip())
    raise ExportError(
        f"{_NAMES[backend]} could not build the export; nothing was written. It ended with status "
        f"{process.returncode} and this:\n{errors[-4000:]}"
    )


def serve(build: Callable[[dict], None]) -> int:
    """In the process: runs the order on standard input with `build`; returns the exit status."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_caller, daemon=True).start()
    try:
        build(order)
    except ValueError as error:
        print(f"{_REFUSED}{error}", file=sys.stderr)
        return 2
    return 0


def load(order: dict):
    """In the process: the order's model; a tokenizer of the user's own class as described."""
    say(order, f"Loading the model under {_NAMES[keras.backend.backend()]} ...")
    saved = checkpoints.read_saved(order["model"], unknown_tokenizer=True)
    return checkpoints.build_model(saved)


def say(order: dict, text: str) -> None:
    """Prints a sign of progress, if the order is `"verbose"`."""
    if order["verbose"]:
        print(text, flush=True)


def _end_with_caller() -> None:
    sys.stdin.read()  # until it closes
    os._exit(1)
