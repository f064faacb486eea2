"""Training recipes, one short file a data set: `python -m train.<name> --help`.

They run on JAX unless KERAS_BACKEND, or Keras's configuration, says otherwise.
"""

import os
import signal
import sys


def _stop(number, frame):
    """Ends a process that has nothing to save yet: an exception might end in a traceback."""
    os.write(2, b"stopped\n")
    os._exit(128 + number)


if sys.argv[:1] == ["-m"]:  # `python -m train.<name>`, whose imports take seconds
    for _number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(_number) is not signal.SIG_IGN:
            signal.signal(_number, _stop)

import md4keras  # noqa: E402, F401  (chooses the backend, before anything imports Keras)
