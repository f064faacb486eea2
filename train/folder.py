"""The folder of a run: where its parts are, and when it may be written."""

import json
import shutil
from pathlib import Path

import md4keras
from md4keras.callbacks import StateFolder


class RunFolder:
    """`model`, `samples`, `logs`, the history and the training states in a folder.

    Args:
        path: of the folder.
        shared: of the folder whose training states all processes of a run write together; `None`
            for `path`.
    """

    def __init__(self, path: Path, shared: Path | None = None):
        self.path = path
        self.model, self.states = path / "model", (shared or path) / "training_states"
        self.history, self.log, self.samples, self.logs = (
            path / name for name in ("history.json", "log.jsonl", "samples", "logs")
        )
        self._old_state = path / "training_state.npz"  # of versions before this one

    def check(self, may_hold_run: bool) -> None:
        """Refuses, before any work, a folder that cannot or should not be written."""
        if self.path.is_file():
            raise ValueError(
                f"--output is a folder, but '{self.path}' is a file. Name another place."
            )
        # It writes beside the model too, where everything else of the run goes.
        md4keras.checkpoints.check_output_folder(self.model)
        if self.holds_run and not may_hold_run:
            raise ValueError(
                f"'{self.path}' holds another run{self._described()}. Name another folder with "
                "--output, or give --resume to continue that run, --extend STEPS to go on where "
                "it ended, or --overwrite to replace it."
            )

    @property
    def holds_run(self) -> bool:
        """Whether there is a model or a training state."""
        return self.model.exists() or self.has_state or self.is_old

    @property
    def has_state(self) -> bool:
        """Whether there is a whole training state, by which the run can go on."""
        return bool(StateFolder(self.states).steps)

    @property
    def is_old(self) -> bool:
        """Whether there is a training state of a version that wrote it as one file."""
        return self._old_state.exists()

    def clear(self) -> None:
        """Removes what another run left, but for its model, which the new one replaces."""
        if not self.holds_run and not self.states.exists():
            return  # then nothing in the folder is a run's
        parts = (self.states, self.history, self.log, self.samples, self.logs)
        for path in (*parts, self._old_state):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _described(self) -> str:
        try:
            recipe = json.loads((self.model / "recipe.json").read_text(encoding="utf-8"))
            return f" (recipe {recipe['recipe']}, {recipe['steps']} steps)"
        except (OSError, ValueError, KeyError, TypeError):
            return ""
