"""Milestones: where a run is saved, evaluated and shown; and where it can be stopped."""

import time

import keras

from md4keras.backend import COMPILES_EACH_SHAPE
from md4keras.callbacks import Stop, StopBetweenBatches

from . import averages
from .history import History, row_of
from .progress import Progress, duration
from .state import RunState


class Milestones(keras.callbacks.Callback):
    """Ends an epoch of `fit` after every `interval` steps of the run, and all after `steps`.

    At each end the state is saved, then the weights that are the result are evaluated and shown,
    and the row of the history is added to the state last: where it is missing, an interrupt came
    between, and `close` is called again when the run resumes.

    Args:
        settings: dict, of the run, with `steps`, `interval` and `checkpoint.every`.
        data: `Data`.
        state: a `RunState`, restored where the run resumes.
        history: a `History`.
        show: function of the model and the step that shows samples.
        stop: a `Stop`, asked after each step.
    """

    def __init__(self, settings, data, state: RunState, history: History, show, stop: Stop):
        super().__init__()
        self.steps, self.interval = settings["steps"], settings["interval"]
        self.every = settings["checkpoint.every"]
        self.data, self.state, self.history = data, state, history
        self.progress = Progress(settings, state.batches)
        self.show, self.stop = show, stop
        self._announced, self.pace = set(), None
        self._since, self._before = time.monotonic(), state.seconds

    @property
    def at_end(self) -> bool:
        """Whether an interval or the run ends at the present step."""
        return self.state.batches % self.interval == 0 or self.state.batches >= self.steps

    @property
    def unfinished(self) -> bool:
        """Whether steps were made that the history does not tell of."""
        rows = self.state.rows
        return self.state.batches > (rows[-1]["step"] if rows else 0)

    @property
    def seconds(self) -> float:
        """How long the run has trained, over all its parts."""
        return self._before + time.monotonic() - self._since

    def on_epoch_begin(self, epoch, logs=None):
        self.announce("the training step")
        self.state.restore_metrics(self.model)
        self.progress.begin()

    def on_train_batch_end(self, batch, logs=None):
        self.state.batches += 1
        self.progress.update(self.state.batches)
        if self.stop.comes_after(self.state.batches):
            self.progress.clear()
            self.save(self.model)
            self.stop.check()
        if self.at_end:
            self.model.stop_training = True  # of this epoch; see `on_epoch_end`
        elif self.every and self.state.batches % self.every == 0:
            self.save(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.progress.clear()
        self.pace = self.progress.tokens_per_second
        self.save(self.model)
        self.close(self.model, logs)
        if self.state.batches >= self.steps:
            averages.keep_result(self.model)
        else:
            self.model.stop_training = False

    def save(self, model) -> None:
        """Saves the state, by which the run resumes."""
        self.state.seconds = self.seconds
        self.state.save(model)

    def close(self, model, logs: dict) -> None:
        """Evaluates and shows the result so far, and writes the row of the interval."""
        step = self.state.batches
        with averages.result_weights(model):
            self.stop.check()
            found = self.evaluate(model, num_passes=1)
            logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
            seconds = self.seconds
            print(
                f"step {step:,} of {self.steps:,}, {duration(seconds)}: bits per dimension "
                f"{logs['bits_per_dim']:.3f} in training, {logs['val_bits_per_dim']:.3f} in "
                f"validation{self.progress.described(self.pace)}",
                flush=True,
            )
            self.announce("the sampler")
            self.show(model, step)
            self.stop.check()
        self.state.add_row(row_of(step, seconds, self.pace, logs))
        self.history.add(self.state.rows)

    def evaluate(self, model, **how) -> dict:
        """The validation split's measures; can be stopped between batches."""
        self.announce("the validation step")
        how |= dict(return_dict=True, verbose=0, callbacks=[StopBetweenBatches(self.stop)])
        return model.evaluate(self.data.validation, **how)

    def announce(self, what: str) -> None:
        """Says once what is compiled next, which takes from seconds to minutes."""
        if COMPILES_EACH_SHAPE and what not in self._announced:
            self._announced.add(what)
            print(f"Compiling {what} ...", flush=True)
