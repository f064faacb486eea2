"""The history of a run: a row for each interval, in a JSON file and for TensorBoard."""

import json
import math
from pathlib import Path

from md4keras.files import import_optional, write_whole


class History:
    """Rows of steps, seconds and logs.

    Args:
        path: of the JSON file.
        logs: folder of TensorBoard's files (which need no TensorFlow).
        continued: bool, whether to go on after what the file holds.
    """

    def __init__(self, path: Path, logs: Path, continued: bool = False):
        tensorboardX = import_optional("tensorboardX", "writes TensorBoard's logs")
        self.path = path
        self.rows = json.loads(path.read_text()) if continued and path.is_file() else []
        self._writer = tensorboardX.SummaryWriter(str(logs))

    @property
    def step(self) -> int:
        """The step of the last row."""
        return self.rows[-1]["step"] if self.rows else 0

    def add(self, step: int, seconds: float, logs: dict) -> dict:
        """Writes a row; returns it."""
        row = {"step": step, "seconds": round(seconds, 1)}
        row.update(finite({name: round(float(value), 5) for name, value in logs.items()}))
        self.rows.append(row)
        for name, value in logs.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()
        write_whole(self.path, json.dumps(self.rows))
        return row

    def close(self) -> None:
        """Closes TensorBoard's file."""
        self._writer.close()


def finite(value):
    """A value as JSON holds it: in the place of infinity and NaN, at any depth, is `None`.

    >>> finite({"perplexity": math.inf, "rows": [{"loss": 0.5}, {"loss": math.nan}]})
    {'perplexity': None, 'rows': [{'loss': 0.5}, {'loss': None}]}
    """
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
