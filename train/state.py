"""The training state: everything that a run needs to continue bit for bit, in one file."""

import json
import zipfile
from pathlib import Path

import numpy as np

from md4keras import backend
from md4keras.files import whole_file

_FORMAT = 2


class TrainingState:
    """Weights before averaging, averages, optimizer, seeds and running metrics, by order.

    Args:
        path: of the `.npz` file, which is whole at any time.
        header: dict of JSON values, what the run is; `read_header` returns it.

    Attributes:
        batches: int, batches used; the optimizer's own count leaves out steps that were skipped.
        seconds: float, of training.
    """

    def __init__(self, path: Path, header: dict):
        self.path, self.header = path, header
        self.batches, self.seconds = 0, 0.0
        self._metrics = []

    def save(self, model) -> None:
        """Writes the state of a model in training."""
        weights = {f"{i:05d}": backend.to_numpy(v) for i, v in enumerate(_variables(model))}
        metrics = {f"m{i:05d}": v.numpy() for i, v in enumerate(model.metrics_variables)}
        with whole_file(self.path) as partial:
            np.savez(
                partial,
                format=_FORMAT,
                header=np.array(json.dumps(self.header)),
                batches=self.batches,
                updates=int(model.optimizer.iterations.numpy()),
                seconds=self.seconds,
                **weights,
                **metrics,
            )

    def restore(self, model) -> None:
        """Puts the saved state into a compiled model of the same shape."""
        model.optimizer.build(model.trainable_variables)
        with _opened(self.path) as saved:
            for index, variable in enumerate(_variables(model)):
                variable.assign(saved[f"{index:05d}"])
            self.batches, self.seconds = int(saved["batches"]), float(saved["seconds"])
            self._metrics = [saved[f"m{i:05d}"] for i in range(len(model.metrics_variables))]

    def restore_metrics(self, model) -> None:
        """Puts back what the metrics had summed up, once."""
        for variable, value in zip(model.metrics_variables, self._metrics, strict=False):
            variable.assign(value)
        self.forget_metrics()

    def forget_metrics(self) -> None:
        """Lets the metrics begin anew."""
        self._metrics = []


def read_header(path: Path) -> tuple[dict, int, int]:
    """What the run of a state file is, and the numbers of its batches and the optimizer's steps.

    Raises:
        ValueError: if there is no state, or one that cannot be read.
    """
    if not path.is_file():
        raise ValueError(
            f"There is no run to continue. Expected a training state at '{path}'. "
            "Name the folder of the run with --output, or start one without --resume and --extend."
        )
    with _opened(path) as saved:
        return json.loads(str(saved["header"])), int(saved["batches"]), int(saved["updates"])


def _opened(path: Path):
    try:
        saved = np.load(path, allow_pickle=False)
        if int(saved["format"]) == _FORMAT:
            return saved
        raise ValueError("another format")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"The training state cannot be read ({error}). Expected one of this version of "
            f"md4keras. Received: '{path}'. Start anew with --overwrite."
        ) from error


def _variables(model):
    return [
        *model.trainable_variables,
        *model.non_trainable_variables,
        *model.optimizer.variables,
    ]
