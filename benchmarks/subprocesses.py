"""Measurements in processes of their own: `python -m MODULE ARGUMENTS`, which prints JSON lines.

So each starts with fresh memory, with its own backend and flags, and its end (of memory, say) is
not the end of the table.
"""

import contextlib
import json
import os
import subprocess
import sys

from benchmarks.machine import ROOT


class Measurement:
    """A running measurement. Its errors go where this process's go.

    Args:
        module: str, dotted name of the module to run.
        arguments: strings.
        environment: dictionary of further environment variables.
    """

    def __init__(self, module: str, *arguments: str, environment: dict | None = None):
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(
            self.command,
            env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if exception[0] is not None:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def results(self):
        """The objects that it prints, one after the other, until it ends.

        Raises:
            RuntimeError: if it fails.
        """
        while (result := self.read()) is not None:
            yield result
        self._check(self._process.wait())

    def ask(self):
        """Sends an empty line, and returns the object that is printed in answer.

        Raises:
            RuntimeError: if it ends without.
        """
        with contextlib.suppress(BrokenPipeError):  # `answer` says how it ended
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self.answer()

    def answer(self):
        """The next object that it prints.

        Raises:
            RuntimeError: if it ends without.
        """
        result = self.read()
        if result is None:
            self._check(self._process.wait() or "no result")
        return result

    def read(self):
        """The next object that it prints, or `None` at the end; other lines are passed over."""
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        return None

    def _check(self, status):
        if status:
            raise RuntimeError(
                f"A measurement failed: {' '.join(self.command)}. Received: {status}. Its own "
                "message stands above; a negative number is the signal that ended it (-9: out of "
                "memory)."
            )


def say(result: dict) -> None:
    """What a measurement prints for the process that started it."""
    print(json.dumps(result), flush=True)
