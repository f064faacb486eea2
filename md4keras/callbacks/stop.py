"""Signals: the first one ends a run where it can be continued, the second at once."""

import contextlib
import os
import signal
import threading

import keras

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NOTE = b"\nStopping at the end of this step; once more stops at once.\n"


class Stop:
    """Notes the first SIGINT or SIGTERM within a `with` block; the second ends the process.

    An exception would not do in training: Keras swallows a `KeyboardInterrupt` where a training
    loop waits most of its time. So who runs the steps asks `check` after each. Signals that the
    process was told to ignore stay ignored.

    In a fit of one's own `TrainingCheckpoint` asks, if it is given the `Stop`:

        with md4keras.callbacks.Stop() as stop:
            checkpoint = md4keras.callbacks.TrainingCheckpoint("runs/mine", every=1000, stop=stop)
            model.fit(data, steps_per_epoch=5000, epochs=20, callbacks=[checkpoint])

    Args:
        at_once: bool, whether a signal raises `KeyboardInterrupt` where it comes. Set it to
            `False` when there are steps that can be finished.

    Attributes:
        signal: int, the number of the signal that came, or `None`.
    """

    def __init__(self, at_once: bool = False):
        self.at_once = at_once
        self.signal = None
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._note)
                for number in _SIGNALS
                if signal.getsignal(number) is not signal.SIG_IGN
            }
        return self

    def __exit__(self, *error):
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number, frame):
        self.signal = number
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        if self.at_once:
            raise KeyboardInterrupt
        with contextlib.suppress(OSError):
            os.write(2, _NOTE)  # `print` may be at work when a signal comes

    def check(self) -> None:
        """Raises a `KeyboardInterrupt` if a signal has come."""
        if self.signal is not None:
            raise KeyboardInterrupt

    @property
    def status(self) -> int:
        """The exit status by which shells know what ended a process."""
        return 128 + (self.signal or signal.SIGINT)


class StopBetweenBatches(keras.callbacks.Callback):
    """Ends an `evaluate` after the batch during which a signal came."""

    def __init__(self, stop: Stop):
        super().__init__()
        self.stop = stop

    def on_test_batch_end(self, batch, logs=None):
        self.stop.check()
