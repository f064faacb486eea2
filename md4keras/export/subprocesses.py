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

from md4keras import checkpoints, presets
from md4keras.export import versions

_REFUSED = "\nrefused: "
_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX"}


class ExportError(RuntimeError):
    """A process could not build the export; the message holds what it wrote.

    Example:

    >>> try:
    ...     raise md4keras.export.ExportError("TensorFlow has no such operation.")
    ... except RuntimeError as error:
    ...     print(error)
    TensorFlow has no such operation.
    """


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
    """Has a process write a SavedModel into `folder`, as `run` does; returns the version's path.

    The order's `"model"` is one as `saved` takes it.
    """
    with saved(order["model"]) as source, versions.new_version(folder, version) as new:
        run(module, order | {"model": source, "target": str(new.content.resolve())}, backend)
    say(order, f"Exported to {new.path}")
    return new.path


@contextlib.contextmanager
def saved(model) -> Iterator[str]:
    """The folder of a model or of a saved one, from which a process can load it."""
    if isinstance(model, str | os.PathLike):
        saved = checkpoints.read_saved(presets.find(model), unknown_tokenizer=True)
        yield str(saved.folder.resolve())
        return
    with tempfile.TemporaryDirectory() as work:
        yield str(checkpoints.save_model(model, Path(work) / "model"))


def run(module: str, order: dict, backend: str = "tensorflow") -> None:
    """Runs the `build` of a module of this folder, such as `"build"`, in a process.

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
    program = f"from md4keras.export import {module}, subprocesses; "
    program += f"subprocesses.serve({module}.build)"
    # -P: what lies in the working folder is none of the modules.
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
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


def serve(build: Callable[[dict], None]) -> None:
    """In the process: runs the order on standard input with `build`, then ends."""
    order = json.loads(sys.stdin.readline())

    def end_with_caller():
        sys.stdin.read()  # until it closes
        os._exit(1)

    threading.Thread(target=end_with_caller, daemon=True).start()
    try:
        build(order)
    except ValueError as error:
        print(f"{_REFUSED}{error}", file=sys.stderr)
        sys.exit(2)


def load(order: dict):
    """In the process: the order's model; a tokenizer of the user's own class as described."""
    say(order, f"Loading the model under {_NAMES[keras.backend.backend()]} ...")
    saved = checkpoints.read_saved(order["model"], unknown_tokenizer=True)
    model = checkpoints.build_model(saved)
    if model.has_lora and model.network.quantization_mode_of_layers is None:
        model.merge_lora()  # once, rather than in each request
    return model


def say(order: dict, text: str) -> None:
    """Prints a sign of progress, if the order is `"verbose"`."""
    if order["verbose"]:
        print(text, flush=True)
