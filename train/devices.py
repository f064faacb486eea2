"""Devices of a run: how many, how the model lies on them, and the processes that share it.

None of it is a setting: a run may go on with other devices.
"""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from md4keras import distribution
from md4keras.checks import check_whole

_JOB = "KERAS_DISTRIBUTION_JOB_ADDRESSES"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what `laid_out` reads to a recipe's command line."""
    add = parser.add_argument_group("several devices (JAX; see docs/devices.md)").add_argument
    add("--devices", type=_whole, metavar="N", help="devices of this machine (default: one)")
    what = "how the model lies on them: whole on each (data), every weight in parts (sharded), or "
    what += "with shared layers (tensor)"
    add("--layout", choices=distribution.LAYOUTS, help=f"{what} (default: data)")
    what = "devices that share each layer, of the tensor layout (default: those of a process)"
    add("--model-devices", type=_whole, metavar="N", help=what)
    what = "processes that train together, on all their devices; auto: as Slurm, Kubernetes or a "
    add("--processes", type=_processes, metavar="N", help=f"{what}TPU slice says")
    add("--process", type=_whole, metavar="I", help="the number of this process, from 0")
    add("--coordinator", metavar="HOST:PORT", help="of process 0, which all others can reach")


@contextlib.contextmanager
def laid_out(options) -> Iterator[Path]:
    """The layout of a run, within which its model is made.

    All processes do the same work, and write the training states together; the first alone
    prints, and writes all else where the user said. What the others write of it goes to a folder
    that is removed.

    Args:
        options: what `Recipe.parse` returns.

    Returns:
        The folder that this process writes.
    """
    if options.processes is not None or _JOB in os.environ:
        number = None if options.processes == "auto" else options.processes
        distribution.start_processes(options.coordinator, number, options.process)
    elif options.process is not None or options.coordinator is not None:
        raise ValueError(
            "--process and --coordinator are for several processes. Expected --processes N along "
            f"with them. Received: --process {options.process}, --coordinator "
            f"{options.coordinator}. Add it, or leave them out."
        )
    elif options.devices is None and options.layout is None and options.model_devices is None:
        yield options.output
        return
    layout = distribution.get(options.layout or "data", options.devices, options.model_devices)
    with layout.scope():
        if distribution.is_first_process():
            yield options.output
            return
        with tempfile.TemporaryDirectory() as folder, _silence():
            yield Path(folder) / "run"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _whole(text: str) -> int:
    try:
        return check_whole("N", int(text), 0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number, received {text!r}") from error


def _processes(text: str) -> int | str:
    return text if text == "auto" else _whole(text)
