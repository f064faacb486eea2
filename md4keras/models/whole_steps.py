"""`fit`, `evaluate` and their like, which leave a whole model whatever ends them."""

import contextlib
import functools
import os
import signal
import threading

import keras

from md4keras import backend
from md4keras.models.filled_batches import filled

_NOTE = b"\nStopping at the end of this step.\n"


class WholeSteps(keras.Model):
    """A model that is whole after every call: of the last step that was finished.

    Whatever a call ends with (data that cannot be read, an interrupt), the model holds the
    weights, the optimizer and the metrics of that step. Ctrl-C takes effect at the end of a step;
    a second one as soon as Python and Keras let it. Batches of training and evaluation may have
    any number of rows, whatever the number of devices.

    A compiled step cannot raise an error. What it found out comes out in its logs, and
    `look_at_step` sees it while the next step is computed, or before any figure is formed.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._interrupt = DeferredInterrupt()
        self._unseen_step = None

    def look_at_step(self, logs: dict) -> None:
        """Raises the errors that a step, which is finished, found.

        Args:
            logs: what `step_findings` took out of the step's logs.
        """

    def step_findings(self, logs: dict) -> dict:
        """Takes out of a step's logs, in place, what `look_at_step` wants to see."""
        return {}

    def compile(self, *args, **kwargs):
        """As `keras.Model.compile`."""
        kwargs.setdefault("jit_compile", backend.jit_compile(self))
        super().compile(*args, **kwargs)

    def fit(self, *args, **kwargs):
        """As `keras.Model.fit`."""
        with self._whole(), backend.averages_kept_on_failure(self):
            args, kwargs = filled(self, keras.Model.fit, args, kwargs)
            return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """As `keras.Model.evaluate`."""
        with self._whole():
            args, kwargs = filled(self, keras.Model.evaluate, args, kwargs)
            return super().evaluate(*args, **kwargs)

    def predict(self, *args, **kwargs):
        """As `keras.Model.predict`."""
        with self._whole():
            return super().predict(*args, **kwargs)

    def train_on_batch(self, *args, **kwargs):
        """As `keras.Model.train_on_batch`."""
        with self._whole():
            args, kwargs = filled(self, keras.Model.train_on_batch, args, kwargs)
            return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """As `keras.Model.test_on_batch`."""
        with self._whole():
            args, kwargs = filled(self, keras.Model.test_on_batch, args, kwargs)
            return super().test_on_batch(*args, **kwargs)

    def get_metrics_result(self):
        """As `keras.Model.get_metrics_result`, once the last step has been looked at."""
        self._look()
        return super().get_metrics_result()

    def make_train_function(self, force=False):
        super().make_train_function(force)
        self.train_function = self._stepping(self.train_function)

    def make_test_function(self, force=False):
        super().make_test_function(force)
        self.test_function = self._stepping(self.test_function)

    def make_predict_function(self, force=False):
        super().make_predict_function(force)
        self.predict_function = self._stepping(self.predict_function)
        return self.predict_function  # as Keras does on two of its backends

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Keras's, under a strategy of TensorFlow, without a look at the data.

        (It would add up the replicas' first rows, as many in each; only the optimizer is built.)
        """
        super()._maybe_symbolic_build(data_batch=())

    @contextlib.contextmanager
    def _whole(self):
        with self._interrupt:
            try:
                yield
                self._look()
            except BaseException:
                self._unseen_step = None
                backend.restore_variables(self)
                raise

    def _stepping(self, function):
        """A compiled step, with what is done between two of them; once for each function."""
        if getattr(function, "is_stepping", False):
            return function

        @functools.wraps(function)
        def step(*args):
            backend.hold_variables(self, *args)
            self._interrupt.check()
            logs, result = backend.run_step(self, function, *args)
            findings = self.step_findings(logs) if isinstance(logs, dict) else {}
            # Only now, so that a device has the next step to compute meanwhile.
            self._look()
            self._unseen_step = findings or None
            self._interrupt.check()
            return result

        step.is_stepping = True
        return step

    def _look(self):
        findings, self._unseen_step = self._unseen_step, None
        if findings:
            self.look_at_step(findings)


class DeferredInterrupt:
    """Keeps the first interrupt (Ctrl-C) until it is asked for.

    Without it an interrupt is lost wherever Keras catches all exceptions, and could come in the
    middle of a step. It is a context; a context inside another does nothing. It concerns Python's
    own handler in the main thread: other handlers, and other threads, stay what they are.
    """

    def __init__(self):
        self._depth, self._noted, self._installed = 0, False, False

    def check(self) -> None:
        """Raises the `KeyboardInterrupt` that was kept."""
        if self._noted and _in_main_thread():
            self._noted = False
            raise KeyboardInterrupt

    def __enter__(self):
        if not _in_main_thread():
            return self
        self._depth += 1
        if self._depth == 1:
            self._installed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
            if self._installed:
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, error_type, error, traceback):
        if not _in_main_thread():
            return
        self._depth -= 1
        if self._depth:
            return
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if error is None:
            self.check()
        self._noted = False

    def _note(self, number, frame):
        self._noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(OSError):
            os.write(2, _NOTE)  # `print` may be at work when a signal comes


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
