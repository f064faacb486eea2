"""The history of a run: a row for each interval, in two files and for TensorBoard."""

import json
import math

from md4keras.files import import_optional, write_whole

from .folder import RunFolder


class History:
    """Writes rows of steps, seconds and logs: as a JSON list, as JSON lines, for TensorBoard.

    The rows themselves are part of the training state. Where a run goes on, the files are written
    anew from them: rows that came after the state, and files that were cut, are gone.

    Args:
        folder: a `RunFolder`.
        rows: list of dicts, those of the run so far.
    """

    def __init__(self, folder: RunFolder, rows: list[dict]):
        tensorboardX = import_optional("tensorboardX", "writes TensorBoard's logs")
        self._folder = folder
        for path in folder.logs.glob("events.out.tfevents.*"):
            path.unlink()
        self._writer = tensorboardX.SummaryWriter(str(folder.logs))
        for row in rows:
            self._show(row)
        if rows or folder.history.exists():
            self._write(rows)

    def add(self, rows: list[dict]) -> None:
        """Writes all rows, of which the last one is new."""
        self._show(rows[-1])
        self._write(rows)

    def close(self) -> None:
        """Closes TensorBoard's file."""
        self._writer.close()

    def _write(self, rows):
        lines = [json.dumps(row, allow_nan=False) for row in rows]
        write_whole(self._folder.log, "".join(f"{line}\n" for line in lines))
        write_whole(self._folder.history, f"[{', '.join(lines)}]")

    def _show(self, row: dict) -> None:
        for name, value in row.items():
            if name != "step":
                number = math.nan if value is None else value
                self._writer.add_scalar(name, number, row["step"])
        self._writer.flush()


def row_of(step: int, seconds: float, tokens_per_second: float | None, logs: dict) -> dict:
    """The row of a step, as JSON holds it."""
    row = {"step": step, "seconds": round(seconds, 1), "tokens_per_second": tokens_per_second}
    return row | finite({name: round(float(value), 5) for name, value in logs.items()})


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
