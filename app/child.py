"""`python child.py MODULE ...` runs `python -m MODULE ...` as long as its parent lives.

The parent holds the other end of the standard input, and writes nothing to it. However the parent
ends, killed or not, the input then ends too; that is told on every system.
"""

import os
import runpy
import signal
import sys
import threading
import time

GRACE = 20.0  # seconds for saving what was reached


def end_with_parent() -> None:
    """Waits for the end of the input; then ends this process as a user would, or by force."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    # The module is looked for where the parent stands, not in the folder of this file.
    sys.path[0] = os.getcwd()
    sys.argv = sys.argv[1:]
    threading.Thread(target=end_with_parent, daemon=True).start()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
