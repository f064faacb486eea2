"""The progress of a run: step, pace and time left, on a terminal in one line that changes."""

import math
import sys
import time

_BAR = 24  # characters
_BETWEEN = 0.2  # seconds between two updates on a terminal
_SELDOM = 300.0  # seconds between two lines where there is none


class Progress:
    """Measures the pace of the steps and tells it.

    Args:
        settings: dict, of the run.
        done: int, steps made before.
    """

    def __init__(self, settings: dict, done: int):
        self._steps, self._step = settings["steps"], done
        length = settings.get("sequence_length") or math.prod(settings["image_shape"])
        self._a_step = settings["batch_size"] * length
        self.unit = "tokens" if "sequence_length" in settings else "values"
        self._all = self._some = None  # (step, time) from which paces are measured
        self._told, self._width = time.monotonic(), 0

    def begin(self) -> None:
        """Measures anew what `tokens_per_second` tells, as what came before was no training."""
        if self._all is not None:
            self._some = (self._step, time.monotonic())

    def update(self, step: int) -> None:
        """Notes that a step was made; tells it if it is time."""
        now, self._step = time.monotonic(), step
        if self._all is None:  # the first step compiles
            self._all = self._some = (step, now)
            return
        on_terminal = sys.stdout.isatty()
        if now - self._told < (_BETWEEN if on_terminal else _SELDOM):
            return
        self._told = now
        if on_terminal:
            self._write(self._line(bar=True))
        else:
            print(self._line(bar=False), flush=True)

    @property
    def tokens_per_second(self) -> float | None:
        """The pace of the steps since `begin`; `None` if there were none."""
        if self._some is None or self._step == self._some[0]:
            return None
        pace = (self._step - self._some[0]) / max(time.monotonic() - self._some[1], 1e-9)
        return float(f"{pace * self._a_step:.4g}")

    def described(self, pace: float | None) -> str:
        """A pace, and the time left at that of all so far, validations included; or `""`."""
        if pace is None:
            return ""
        told = f", {pace:,.0f} {self.unit} per second"
        left, made = self._steps - self._step, self._step - self._all[0]
        if left > 0 and made > 0:
            seconds = left * (time.monotonic() - self._all[1]) / made
            told += f", {duration(seconds)} left"
        return told

    def clear(self) -> None:
        """Makes room on the terminal for other lines."""
        if self._width:
            self._write("")
            print(end="\r", flush=True)

    def _line(self, bar: bool) -> str:
        full = _BAR * self._step // self._steps
        drawn = f" [{'=' * full:<{_BAR}}]" if bar else ""
        return (
            f"step {self._step:,} of {self._steps:,}{drawn}{self.described(self.tokens_per_second)}"
        )

    def _write(self, line: str) -> None:
        print(f"\r{line:<{self._width}}", end="", flush=True)
        self._width = len(line)


def duration(seconds: float) -> str:
    """A time as it is said.

    >>> duration(59.9), duration(7320)
    ('0 min 59 s', '2 h 2 min')
    """
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
