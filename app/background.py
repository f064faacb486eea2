"""The demo's training as a process of its own: it is started, watched and stopped."""

import atexit
import functools
import importlib
import json
import subprocess
import sys
import threading
from pathlib import Path

from . import RECIPES

COMMAND = (sys.executable, "-P", str(Path(__file__).with_name("child.py")), f"{RECIPES}.demo")
_GRACE = 15.0  # seconds for saving what was reached, when it is stopped


@functools.cache
def _recipes() -> list:
    """The demo's recipes; imported when training is asked for, as they bring Keras along."""
    return [importlib.import_module(f"{RECIPES}.{name}").DEMO for name in ("digits", "pydoc")]


class DemoTraining:
    """`python -m train.demo` in the background; it ends with this process, however that ends.

    Args:
        output: folder for the models; the log of the run is written to `train.log` in it.
    """

    def __init__(self, output: Path):
        self.output = output.resolve()
        self._process = None
        self._refusal = ""
        self._lock = threading.Lock()  # several sessions may click at once
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        """Whether the process is at work."""
        process = self._process
        return process is not None and process.poll() is None

    @property
    def failure(self) -> str:
        """Why it could not start, or the last line of the log of one that failed, else `""`."""
        process = self._process
        if process is None or process.poll() in (None, 0):
            return self._refusal
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError as error:
            return str(error)
        return next((line for line in reversed(lines) if line.strip()), "no message")

    def start(self) -> None:
        """Starts the training, unless it runs already."""
        with self._lock:
            if self.running:
                return
            self._process, self._refusal = None, ""
            try:
                self.output.mkdir(parents=True, exist_ok=True)
                for recipe in _recipes():  # of an earlier training
                    (self.output / recipe.name / "history.json").unlink(missing_ok=True)
                with open(self._log, "wb") as log:
                    self._process = subprocess.Popen(
                        [*COMMAND, "--output", str(self.output)],
                        stdin=subprocess.PIPE,  # see `child.py`
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
            except OSError as error:
                self._refusal = str(error)

    def stop(self) -> None:
        """Ends the process and waits for it."""
        with self._lock:
            if self.running:
                self._process.terminate()
                try:
                    self._process.wait(_GRACE)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None

    def progress(self) -> tuple[float, str]:
        """The part that is done, in `[0, 1]`, and what is being done."""
        recipes = _recipes()
        done = [min(self._steps(recipe.name), recipe.steps) for recipe in recipes]
        part = sum(done) / sum(recipe.steps for recipe in recipes)
        at = next((i for i, recipe in enumerate(recipes) if done[i] < recipe.steps), -1)
        name, steps, interval = recipes[at].name, recipes[at].steps, recipes[at].interval
        return part, f"{name}: {done[at]} of {steps} steps (told at every {interval})"

    def _steps(self, name: str) -> int:
        try:
            rows = json.loads((self.output / name / "history.json").read_text(encoding="utf-8"))
            return int(rows[-1]["step"])
        except (OSError, ValueError, LookupError, TypeError):  # not there yet, or half written
            return 0

    @property
    def _log(self) -> Path:
        return self.output / "train.log"
