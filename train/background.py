"""The demo's training as a process of its own, for the app."""

import json
import subprocess
import sys
from pathlib import Path

from train import digits, pydoc

_ROOT = Path(__file__).resolve().parents[1]


class DemoTraining:
    """`python -m train.demo` in the background.

    Args:
        output: folder for the models; the log of the run is written to `train.log` in it.
    """

    def __init__(self, output: Path):
        self.output = output.resolve()
        self._process = None

    @property
    def running(self) -> bool:
        """Whether the process is at work."""
        return self._process is not None and self._process.poll() is None

    @property
    def failure(self) -> str:
        """The last line of the log of a process that failed, else `""`."""
        if self._process is None or self._process.poll() in (None, 0):
            return ""
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "no message")

    def start(self) -> None:
        """Starts the training, unless it runs already."""
        if self.running:
            return
        self.output.mkdir(parents=True, exist_ok=True)
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "train.demo", "--output", str(self.output)],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """Ends the process and waits for it."""
        if self.running:
            self._process.terminate()
            self._process.wait()
        self._process = None

    def progress(self) -> tuple[float, str]:
        """The part that is done, in `[0, 1]`, and what is being done."""
        wanted = [(recipe.name, recipe.steps) for recipe in (digits.DEMO, pydoc.DEMO)]
        done = [min(self._steps(name), steps) for name, steps in wanted]
        part = sum(done) / sum(steps for _, steps in wanted)
        at = next((i for i, (_, steps) in enumerate(wanted) if done[i] < steps), len(wanted) - 1)
        name, steps = wanted[at]
        return part, f"{name}: {done[at]} of {steps} steps (told at every {digits.DEMO.interval})"

    def _steps(self, name: str) -> int:
        try:
            rows = json.loads((self.output / name / "history.json").read_text(encoding="utf-8"))
            return int(rows[-1]["step"])
        except (OSError, ValueError, LookupError, TypeError):  # not there yet, or half written
            return 0

    @property
    def _log(self) -> Path:
        return self.output / "train.log"
