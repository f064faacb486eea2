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
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
GRACE = 20.0  # seconds for saving what was reached


def end_with_parent() -> None:
    """Waits for the end of the input; then ends this process as a user would, or by force."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    if (CHECKOUT / "md4keras").is_dir():
        sys.path.insert(0, str(CHECKOUT))
    sys.argv = sys.argv[1:]
    threading.Thread(target=end_with_parent, daemon=True).start()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
