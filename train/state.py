"""The state of a run: how far it has come, beside the training state of its model."""

from md4keras.callbacks import StateFolder

from .folder import RunFolder


class RunState:
    """Steps, seconds and rows of the history, saved with what the model needs to go on.

    Args:
        folder: a `RunFolder`.
        header: dict of JSON values, what the run is; `read_header` returns it.
        settings: dict, of the run.

    Attributes:
        batches: int, batches used; the optimizer's own count leaves out steps that were skipped.
        seconds: float, of training.
        rows: list of dicts, the history.
    """

    def __init__(self, folder: RunFolder, header: dict, settings: dict):
        keep = {name: settings[f"checkpoint.{name}"] for name in ("keep_last", "keep_every")}
        self.header, self._states = header, StateFolder(folder.states, **keep)
        self.batches, self.seconds, self.rows = 0, 0.0, []
        self._updates = 0

    def save(self, model) -> None:
        """Saves the state of a model in training; on JAX that goes on after it returns."""
        self._updates = int(model.optimizer.iterations.numpy())
        self._states.save(model, self.batches, self._values)

    def add_row(self, row: dict) -> None:
        """Adds a row of the step that was saved last to what was saved."""
        self.rows.append(row)
        self._states.amend(self.batches, self._values)

    def restore(self, model) -> None:
        """Puts the newest state into a compiled model of the same shape."""
        values = self._states.restore(model)
        self.batches, self.seconds, self.rows, self._updates = (
            values[name] for name in ("batches", "seconds", "rows", "updates")
        )

    def restore_metrics(self, model) -> None:
        """Puts back what the metrics had summed up, once."""
        self._states.restore_metrics(model)

    def forget_metrics(self) -> None:
        """Lets the metrics begin anew."""
        self._states.forget_metrics()

    def wait(self) -> None:
        """Returns when what was saved is on the disk."""
        self._states.wait()

    @property
    def _values(self) -> dict:
        return {
            "header": self.header,
            "batches": self.batches,
            "updates": self._updates,
            "seconds": self.seconds,
            "rows": self.rows,
        }


def read_header(folder: RunFolder) -> tuple[dict, int, int]:
    """What the run in a folder is, and the numbers of its batches and the optimizer's steps.

    Raises:
        ValueError: if there is no state, or one that cannot be read.
    """
    values = StateFolder(folder.states).about()
    if values is None:
        found = "a training state of an older version, which this one cannot read" * folder.is_old
        raise ValueError(
            f"There is no run to continue. Expected training states in '{folder.states}'. "
            f"Received: {found or 'none'}. Name the folder of the run with --output, or start one "
            "without --resume and --extend; --init-from goes on from the weights of a saved model."
        )
    return values["header"], values["batches"], values["updates"]
