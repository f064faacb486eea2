"""Signals: the first one ends a run where it can be continued, the second at once."""

import contextlib
import os
import signal
import threading

import keras

from md4keras import backend

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGREE_EVERY = 16  # steps
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

    In several processes one of them that got a signal ends them all, after the same step: the
    next one whose number is a multiple of 16.

    Example:

    >>> with md4keras.callbacks.Stop() as stop:
    ...     stop.check()  # raises `KeyboardInterrupt` once a signal has come
    >>> stop.signal is None
    True
    """

    def __init__(self, at_once: bool = False):
        self.at_once = at_once
        self._came = self._agreed = None
        self._before = {}

    @property
    def signal(self) -> int | None:
        """The number of the signal that came, in several processes once all know of it."""
        return self._came if backend.num_processes() == 1 else self._agreed

    def comes_after(self, step: int) -> bool:
        """Whether the run ends after this step, the same in all its processes; asked each step."""
        if backend.num_processes() > 1 and step % _AGREE_EVERY == 0:
            self._agreed = int(backend.of_all_processes([self._came or 0]).max()) or None
        return self.signal is not None

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
        self._came = number
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
        return 128 + (self._came or self._agreed or signal.SIGINT)


class StopBetweenBatches(keras.callbacks.Callback):
    """Ends an `evaluate` after the batch during which a signal came.

    Example:

    >>> model.compile()
    >>> x = np.zeros((4, 8), "int32")
    >>> with md4keras.callbacks.Stop() as stop:
    ...     ending = [md4keras.callbacks.StopBetweenBatches(stop)]
    ...     figures = model.evaluate(x, num_passes=1, verbose=0, callbacks=ending)
    >>> len(figures)
    5
    """

    def __init__(self, stop: Stop):
        super().__init__()
        self.stop = stop

    def on_test_batch_end(self, batch, logs=None):
        self.stop.check()
