"""Child processes that build exports, under a Keras backend of their own.

An export comes out the same whatever backend the caller runs, because a fresh process under one
fixed backend builds it. The caller writes an order (JSON) to its standard input; a wrong order is
refused with a line `refused: ValueError: ...` on its standard error.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from md4keras import checkpoints

_REFUSED = "\nrefused: "
_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX"}


def check_packages(modules: tuple[str, ...], extras: str) -> None:
    """Raises an `ImportError`, with the extras that mend it, where a module is missing."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"The export needs the package '{module}': pip install \"md4keras[{extras}]\""
            )


@contextlib.contextmanager
def saved(model) -> Iterator[str]:
    """The folder of a model that a child can load: its own if it is saved, or one for the while.

    Args:
        model: a `md4keras` model, or the folder of a saved one.

    Raises:
        ValueError: if the saved model is damaged or uses classes that are not md4keras's.
    """
    if isinstance(model, str | os.PathLike):
        yield str(Path(checkpoints.read_saved(model).folder).resolve())
        return
    with tempfile.TemporaryDirectory() as work:
        yield str(checkpoints.save_model(model, Path(work) / "model"))


def run(module: str, order: dict, backend: str = "tensorflow") -> None:
    """Runs a module of this folder as a child, lets it print, and raises what it could not do.

    Args:
        module: name, such as `"build"`; it ends with `sys.exit(child.serve(function))`.
        order: what JSON can hold.
        backend: Keras backend of the child.

    Raises:
        ValueError: if the child refuses the order.
        RuntimeError: if it fails, with the end of what it wrote to standard error.
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
    child = subprocess.run(
        [sys.executable, "-m", f"md4keras.export.{module}"],
        input=json.dumps(order),
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        check=False,
    )
    if child.returncode == 0:
        return
    kind, _, message = child.stderr.rpartition(_REFUSED)[2].partition(": ")
    if _REFUSED in child.stderr and kind == "ValueError":
        raise ValueError(message.strip())
    raise RuntimeError(
        f"{_NAMES[backend]} could not build the export; nothing was written. It ended with status "
        f"{child.returncode} and this:\n{child.stderr[-4000:]}"
    )


def serve(build: Callable[[dict], None]) -> int:
    """In the child: runs the order on standard input with `build`; returns the exit status."""
    try:
        build(json.load(sys.stdin))
    except ValueError as error:
        print(f"{_REFUSED}ValueError: {error}", file=sys.stderr)
        return 2
    return 0
