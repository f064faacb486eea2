"""What tests of preparations need in several processes: a small tokenizer, faults, comparisons."""

import os
import signal
import time
from pathlib import Path

import keras
import numpy as np

from md4keras.tokenizers import ByteTokenizer


@keras.saving.register_keras_serializable(package="tests")
class EndedBytes(ByteTokenizer):
    """Bytes, and an end token; encoding is slow, or kills the process, where it is asked to be.

    Args:
        faults: str, a folder. While it has a file `kill`, the process that meets a text with an
            exclamation mark removes it and is killed. With `slow`, each batch takes so many
            seconds, and a file `at-PID` tells of it.
    """

    vocabulary_size, end_token_id, padding_id = 258, 256, 257

    def __init__(self, faults: str = ""):
        self.faults = faults

    def encode_batch(self, texts):
        flag = Path(self.faults, "kill")
        if self.faults and flag.exists() and any("!" in text for text in texts):
            flag.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        slow = Path(self.faults, "slow")
        if self.faults and slow.exists():
            Path(self.faults, f"at-{os.getpid()}").touch()
            time.sleep(float(slow.read_text()))
        return [np.asarray(self.encode(text)) for text in texts]

    def get_config(self):
        return {"faults": self.faults}


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by name."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
