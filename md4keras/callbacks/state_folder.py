"""Training states of a run in a folder: each is whole or does not exist, and few are kept."""

import functools
import json
import re
import shutil
from pathlib import Path

from md4keras import backend
from md4keras.backend.npz_states import ABOUT
from md4keras.checks import check_whole
from md4keras.files import one_line, write_whole

_FORMAT = 1
_NAME = re.compile(r"step_(\d{10})")
_UNFINISHED = re.compile(r"\.step_\d{10}\..*|step_\d{10}\.orbax-checkpoint-tmp.*")


class StateFolder:
    """What models need to go on with their training bit for bit, by the number of the step.

    A state has the weights before averaging, their averages, the optimizer, the metrics and the
    seeds of a compiled Keras model, and JSON values of the caller's. On JAX it is written by Orbax
    while training goes on, by each process its own part (a file system that all see); on
    TensorFlow and PyTorch before `save` returns.

    Args:
        folder: path; it is made where something is saved.
        keep_last: int, how many of the newest states are kept.
        keep_every: int or `None`; the first state of every so many steps is kept for ever.

    Raises:
        ValueError: if an argument cannot be used.

    Example:

    >>> folder = md4keras.callbacks.StateFolder("runs/mine/states", keep_last=2)
    >>> folder.steps, folder.about()  # there are none yet
    ([], None)
    """

    def __init__(self, folder, keep_last: int = 2, keep_every: int | None = None):
        self.folder = Path(folder)
        self.keep_last = check_whole("keep_last", keep_last)
        self.keep_every = None
        if keep_every is not None:
            self.keep_every = check_whole("keep_every", keep_every, mend="None keeps none of them.")
        self._cleared = False
        self._metrics = {}

    @property
    def steps(self) -> list[int]:
        """The steps of which there is a whole state, the newest last."""
        if _files.cache_info().currsize:
            _files().wait()  # for a fit before this one, too, which an error ended while it wrote
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))

    def about(self) -> dict | None:
        """The caller's values of the newest state, or `None` if there is no state.

        Raises:
            ValueError: if the newest state cannot be read.
        """
        steps = self.steps
        return self._read_about(steps[-1])["values"] if steps else None

    def save(self, model, step: int, values: dict) -> None:
        """Saves the state of a compiled model, also in the middle of its `fit`.

        Args:
            model: a Keras model.
            step: int, larger than those of the other states.
            values: dict of JSON values; `amend` changes them.

        Raises:
            OSError, ValueError: what went wrong with this state, or with the one before.
        """
        model.get_metrics_result()  # raises what the last step found out, such as bad ids
        self.wait()
        files = self._opened()
        variables = _variables(model)
        about = {
            "format": _FORMAT,
            "storage": files.name,
            "shapes": {name: list(variable.shape) for name, variable in variables.items()},
            "values": values,
        }
        files.write(self._path(step), variables, about)

    def amend(self, step: int, values: dict) -> None:
        """Replaces the values of a state that was saved."""
        self.wait()
        if self._opened().is_first:
            about = self._read_about(step) | {"values": values}
            write_whole(self._path(step) / ABOUT, json.dumps(about))

    def restore(self, model) -> dict:
        """Puts the newest state into a compiled model of the same shape; returns its values.

        What the metrics had summed up follows with `restore_metrics`, since `fit` resets them
        where an epoch begins.

        Raises:
            ValueError: if there is no state, if it cannot be read, or is of another model.
        """
        if not self.steps:
            raise ValueError(
                "There is no training state to go on from. Expected one in the folder. Received: "
                f"'{self.folder}'. Name the folder of the run, or begin one."
            )
        model.optimizer.build(model.trainable_variables)
        variables, step = _variables(model), self.steps[-1]
        about = self._read_about(step)
        _check_shapes(self._path(step), about["shapes"], variables)
        try:
            arrays = self._opened().read(self._path(step), variables)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise self._damaged(step, error) from error
        metrics = {name for name in variables if name.startswith("metrics")}
        self._metrics = {name: arrays.pop(name) for name in metrics}
        for name, array in arrays.items():
            variables[name].assign(array)
        return about["values"]

    def restore_metrics(self, model) -> None:
        """Puts back what the metrics had summed up, once."""
        variables = _variables(model)
        for name, array in self._metrics.items():
            variables[name].assign(array)
        self.forget_metrics()

    def forget_metrics(self) -> None:
        """Lets the metrics begin anew."""
        self._metrics = {}

    def wait(self) -> None:
        """Returns when what was saved is on the disk, and removes what is not kept."""
        steps = self.steps  # waits
        if self._opened().is_first:
            for step in _removable(steps, self.keep_last, self.keep_every):
                shutil.rmtree(self._path(step), ignore_errors=True)

    def _opened(self):
        """What writes and reads; the first time, what a process that was killed left is removed."""
        if not self._cleared and _files().is_first and self.folder.is_dir():
            for path in self.folder.iterdir():
                if _UNFINISHED.fullmatch(path.name):
                    shutil.rmtree(path, ignore_errors=True)
        self._cleared = True
        return _files()

    def _path(self, step: int) -> Path:
        return self.folder / f"step_{step:010d}"

    def _read_about(self, step: int) -> dict:
        try:
            about = json.loads((self._path(step) / ABOUT).read_text(encoding="utf-8"))
            if about["format"] != _FORMAT:
                raise ValueError(f"format {about['format']}, not {_FORMAT}")
            storage, _, _ = (about[name] for name in ("storage", "shapes", "values"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(step, error) from error
        if storage != backend.States.name:
            raise ValueError(
                "The training state is of another backend. Expected one that was written as "
                f"{backend.States.name}. Received: '{self._path(step)}', written as {storage} "
                "(orbax: JAX; npz: TensorFlow, PyTorch). Choose that backend by KERAS_BACKEND."
            )
        return about

    def _damaged(self, step: int, error: Exception) -> ValueError:
        before = self.steps[:-1]
        mend = f"to go on from step {before[-1]}" if before else "and begin anew"
        return ValueError(
            f"The training state of step {step} cannot be read ({one_line(error)}). Expected a "
            f"whole state of this version of md4keras. Received: '{self._path(step)}'. Remove that "
            f"folder {mend}."
        )


@functools.cache
def _files():
    """What writes and reads the states of this process, one after another."""
    return backend.States()


def _variables(model) -> dict:
    """All variables of a compiled model, by their kind and order (names differ between runs)."""
    kinds = {
        "trainable": model.trainable_variables,
        "non_trainable": model.non_trainable_variables,  # with those of the seeds
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    return {
        f"{kind}_{index:05d}": variable
        for kind, variables in kinds.items()
        for index, variable in enumerate(variables)
    }


def _check_shapes(path: Path, saved: dict, variables: dict) -> None:
    shapes = {name: list(variable.shape) for name, variable in variables.items()}
    if saved == shapes:
        return
    names = sorted(saved.keys() | shapes.keys())
    name = next(name for name in names if saved.get(name) != shapes.get(name))
    raise ValueError(
        f"The training state is of another model. Expected {name} of the shape "
        f"{shapes.get(name, 'none')}. Received: {saved.get(name, 'none')} in '{path}'. Build and "
        "compile the model as it was, or name another folder."
    )


def _removable(steps: list[int], keep_last: int, keep_every: int | None) -> list[int]:
    """The steps whose states are not kept, of all those of which there is one."""
    kept, period = set(steps[-keep_last:]), 0
    for step in steps if keep_every else ():
        if step // keep_every > period:
            kept.add(step)
            period = step // keep_every
    return [step for step in steps if step not in kept]
