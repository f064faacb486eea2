"""Exact resume of anyone's own `fit`: where it stopped, with the bits it would have had."""

import keras

from md4keras.callbacks.state_folder import StateFolder
from md4keras.callbacks.stop import Stop
from md4keras.checks import check_whole


class TrainingCheckpoint(keras.callbacks.Callback):
    """Saves the training state while `fit` runs; the same program, started again, goes on from it.

    A state has the weights, their averages, the optimizer, the metrics, the seeds, the epoch, the
    batches used and the rows of the history, so that the run ends with the weights, and returns
    the history, of one that was never stopped: bit for bit where the backend computes the same
    twice, as JAX does on CPUs. It works for any compiled Keras model. A state is whole or does not
    exist, whenever the process is killed.

    Only the program knows its data, so it has to let them begin where the run goes on. In the
    middle of an epoch this is exact if batch `k` depends on nothing but `k`, as in the endless
    data sets of `md4keras.data`, which take the number of their first batch:

        checkpoint = md4keras.callbacks.TrainingCheckpoint("runs/mine", every=1000)
        batches = text_dataset(tokens, 256, 64, True, seed=0, start_batch=checkpoint.batches)
        model.fit(batches, steps_per_epoch=5000, epochs=20, callbacks=[checkpoint])

    With `every="epoch"` the run goes on at the start of an epoch, and finite data may be passed as
    they are. This is exact if every epoch reads the same batches: data sets, and arrays with
    `shuffle=False`. **Arrays that Keras shuffles are not**: their order comes from NumPy's global
    generator, which is not part of the state. Nor are random numbers that are drawn outside of the
    model, and the memory of other callbacks (the patience of `EarlyStopping`).

    It comes first among the callbacks, since it may end an epoch (the rest of the one that was
    stopped) where others decide whether training goes on.

    Args:
        folder: path, of the states. Where it holds one, training goes on from it: another run
            needs another folder. A run that is finished trains no more.
        every: `"epoch"`, at the end of each, or an int: after so many batches, and at the end.
        keep_last: int, how many of the newest states are kept.
        keep_every: int or `None`; the first state of every so many batches is kept for ever.
        stop: a `Stop`. After the batch during which a signal came, the state is saved (with
            `every="epoch"`: not, as it could not be gone on from), and `KeyboardInterrupt` raised.

    Attributes:
        rows: list of dicts, the logs of each epoch with its number and that of its last batch.

    Raises:
        ValueError: if an argument cannot be used; in `fit`, if the state is damaged or of another
            model, or if data begin anew in the middle of an epoch.

    Example:

    >>> import os, tempfile
    >>> folder = os.path.join(tempfile.mkdtemp(), "run")
    >>> x = np.arange(8.0)[:, None]
    >>> def train(epochs):
    ...     keras.utils.set_random_seed(0)
    ...     model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     checkpoint = md4keras.callbacks.TrainingCheckpoint(folder)
    ...     model.fit(x, x, shuffle=False, epochs=epochs, verbose=0, callbacks=[checkpoint])
    ...     return [row["step"] for row in checkpoint.rows]
    >>> train(epochs=2), train(epochs=3)  # the second goes on after the first
    ([1, 2], [1, 2, 3])
    """

    def __init__(
        self,
        folder,
        every: int | str = "epoch",
        keep_last: int = 2,
        keep_every: int | None = None,
        stop: Stop | None = None,
    ):
        super().__init__()
        if every != "epoch":
            check_whole("every", every, mend="Or 'epoch', for the end of each.")
        self.every, self.stop, self.rows = every, stop, []
        self._states = StateFolder(folder, keep_last, keep_every)
        self._batches = (self._states.about() or {}).get("batches", 0)
        self._epoch = self._used = self._saved = 0  # batches used in the epoch; saved last
        self._restored = self._asked = self._ended = False

    @property
    def batches(self) -> int:
        """How many batches the run has used so far: the number of the next one."""
        self._asked = True
        return self._batches

    def on_train_begin(self, logs=None):
        if self.every != "epoch" and not self.params.get("steps"):
            raise ValueError(
                "In data of unknown length no step can be told from the last of the epoch. "
                f"Expected `steps_per_epoch`, or data with a length. Received: every={self.every}."
                " Pass `steps_per_epoch` to `fit`, or use every='epoch'."
            )
        if not self._states.steps:
            return
        values = self._states.restore(self.model)
        self._batches, self._epoch, self._used, self.rows = (
            values[name] for name in ("batches", "epoch", "used", "rows")
        )
        if self._used and not self._asked:
            raise ValueError(
                "Training goes on in the middle of an epoch, and the data begin anew. Expected "
                f"data that begin with batch {self._batches}, which `TrainingCheckpoint.batches` "
                f"tells. Received: a state after {self._used} batches of an epoch, and `batches` "
                "was not asked for. Let the data begin there, or use every='epoch' from the start."
            )
        self._saved, self._restored = self._batches, True
        self.model._initial_epoch = self._epoch  # as Keras's own callback tells `fit`
        if self.params.get("verbose"):
            print(f"Going on after batch {self._batches:,}", flush=True)

    def on_epoch_begin(self, epoch, logs=None):
        if self._restored:
            self._tell_history()
        if self._used:
            self._states.restore_metrics(self.model)
        self._states.forget_metrics()
        self._epoch = epoch
        # Batches of the run, and of the epoch, before those that are counted from here on.
        self._before, self._skipped = self._batches - self._used, self._used

    def on_train_batch_end(self, batch, logs=None):
        self._used = self._skipped + batch + 1
        self._batches = self._before + self._used
        signalled = self.stop is not None and self.stop.comes_after(self._batches)
        size = self.params.get("steps")
        if size and self._used >= size:  # what follows is done at the end of the epoch
            if self._skipped and not self.model.stop_training:
                self.model.stop_training = self._ended = True
        elif signalled:
            if self.every != "epoch":
                self._save()
            self._end_here()
        elif self.every != "epoch" and self._due:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        if self._ended:
            self.model.stop_training = self._ended = False
        logs = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch, "step": self._batches, **logs})
        self._epoch, self._used = epoch + 1, 0
        last = self._epoch >= self.params.get("epochs", 0) or self.model.stop_training
        if self.every == "epoch" or last or self._signalled or self._due:
            self._save()
        if self._signalled:
            self._end_here()

    def on_train_end(self, logs=None):
        self._tell_history()
        self._states.wait()

    @property
    def _signalled(self) -> bool:
        return self.stop is not None and self.stop.signal is not None

    @property
    def _due(self) -> bool:
        return self._batches // self.every > self._saved // self.every

    def _save(self) -> None:
        values = {"batches": self._batches, "epoch": self._epoch, "used": self._used}
        self._states.save(self.model, self._batches, values | {"rows": self.rows})
        self._saved = self._batches

    def _end_here(self) -> None:
        self._states.wait()
        self.stop.check()

    def _tell_history(self) -> None:
        """Gives `fit` the rows from before, to return with its own; and lets the next one begin."""
        if not self._restored:
            return
        self._restored, self.model._initial_epoch = False, None
        for row in self.rows:
            logs = {name: value for name, value in row.items() if name not in ("epoch", "step")}
            self.model.history.on_epoch_end(row["epoch"], logs)
