"""Callbacks of the recipes: exact checkpoints, TensorBoard logs, samples, and a step limit."""

import json
import time
from pathlib import Path

import keras
import numpy as np

from md4keras.files import import_optional, whole_file, write_whole


class StepLimit(keras.callbacks.Callback):
    """Ends `fit` after a number of steps, in the middle of an epoch if need be."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if self.steps <= 0:
            self.model.stop_training = True


class TrainingState(keras.callbacks.Callback):
    """Saves everything that a run needs to continue bit for bit, at the end of each epoch.

    Weights before averaging, averages, optimizer and seeds, by order, and the number of batches
    used; the optimizer's own count leaves out the steps that were skipped.

    Args:
        path: of the `.npz` file, which is whole at any time.
        settings: dictionary that a resumed run must share.
    """

    def __init__(self, path: Path, settings: dict):
        super().__init__()
        self.path, self.settings = path, settings
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        arrays = {f"{i:05d}": v.numpy() for i, v in enumerate(_variables(self.model))}
        header = np.array(json.dumps(self.settings, sort_keys=True))
        with whole_file(self.path) as partial:
            np.savez(partial, settings=header, batches=self.batches, **arrays)

    def restore(self, model) -> int:
        """Puts the saved state into a compiled model; returns the number of batches used.

        Raises:
            ValueError: if there is no state, or it belongs to a run with other settings.
        """
        if not self.path.is_file():
            raise ValueError(
                f"There is no run to continue. Expected a training state at '{self.path}'. "
                "Leave out --resume, or name the folder of the run with --output."
            )
        model.optimizer.build(model.trainable_variables)
        variables = _variables(model)
        with np.load(self.path, allow_pickle=False) as state:
            settings = json.loads(str(state["settings"]))
            if settings != self.settings:
                changed = sorted(
                    key
                    for key in settings.keys() | self.settings.keys()
                    if settings.get(key) != self.settings.get(key)
                )
                raise ValueError(
                    f"The run cannot be continued with other settings. Changed: {changed}. "
                    f"Expected {settings}. Received: {self.settings}"
                )
            for index, variable in enumerate(variables):
                variable.assign(state[f"{index:05d}"])
            self.batches = int(state["batches"])
        return self.batches


class TensorBoard(keras.callbacks.Callback):
    """Writes the logs of each epoch for TensorBoard; needs no TensorFlow."""

    def __init__(self, folder: Path):
        super().__init__()
        tensorboardX = import_optional("tensorboardX", "writes TensorBoard's logs")
        self.writer = tensorboardX.SummaryWriter(str(folder))

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.optimizer.iterations.numpy())
        for name, value in (logs or {}).items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def on_train_end(self, logs=None):
        self.writer.close()


class History(keras.callbacks.Callback):
    """Keeps steps, seconds and logs of each epoch in a JSON file.

    Args:
        path: of the file.
        continued: bool, whether to go on after what the file holds.
    """

    def __init__(self, path: Path, continued: bool = False):
        super().__init__()
        self.path = path
        self.rows = json.loads(path.read_text()) if continued and path.is_file() else []
        before = self.rows[-1]["seconds"] if self.rows else 0.0
        self._start = time.monotonic() - before

    def on_epoch_end(self, epoch, logs=None):
        row = {"step": int(self.model.optimizer.iterations.numpy())}
        row["seconds"] = round(time.monotonic() - self._start, 1)
        row.update({name: round(float(value), 5) for name, value in (logs or {}).items()})
        self.rows.append(row)
        write_whole(self.path, json.dumps(self.rows))


class Samples(keras.callbacks.Callback):
    """Draws samples with the averaged weights at the end of each epoch.

    Args:
        show: function of the model and the number of steps.
    """

    def __init__(self, show):
        super().__init__()
        self.show = show

    def on_epoch_end(self, epoch, logs=None):
        self.show(self.model, int(self.model.optimizer.iterations.numpy()))


def _variables(model):
    return [
        *model.trainable_variables,
        *model.non_trainable_variables,
        *model.optimizer.variables,
    ]
