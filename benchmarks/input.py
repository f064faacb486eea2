"""Tokens a second that one core delivers as batches, against what an H200 trains on.

Documents of lengths like OpenWebText's, with GPT-2's ids, are written as a prepared data set.
A process that is held to one core then reads them from there, in the shuffled order of training,
and makes batches of rows; before each measurement the system is told to forget the files, so that
they come from the disk. `per_busy_second` leaves out the time in which the process waited, for the
disk or for other programs. `filled` is the part of the rows that is no padding.
`h200_tokens_per_second` is what an H200 trains on at half of its peak: MD4-S as published, its
arithmetic counted as in `gpu`. `of_h200` is how many of them one core feeds.
"""

import argparse
import dataclasses
import functools
import os
import tempfile
import time
from pathlib import Path

from benchmarks import settings
from benchmarks.paired import alternate, serve
from benchmarks.subprocesses import Measurement
from benchmarks.utilisation import peak_tflops, tokens_per_second

# A way of making rows of documents, and what is done with long ones; "prepared" are rows already.
WAYS = {
    "joined, prepared": None,
    "joined": ("joined", "cut"),
    "packed": ("packed", "cut"),
    "packed, split": ("packed", "split"),
    "padded": ("padded", "cut"),
}
DEVICE, UTILISATION = "NVIDIA H200", 0.5
END_TOKEN = 50256  # GPT-2's


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is written and read: `batches` of `batch_size` rows, from `shards` files."""

    documents: int
    shards: int
    row_length: int
    batch_size: int
    batches: int


def size(tiny: bool) -> Size:
    """That of the table, or one of no use that takes a moment."""
    return Size(60, 2, 128, 4, 3) if tiny else Size(120_000, 8, 1024, 512, 100)


def add_arguments(parser) -> None:
    """This table takes no options of its own."""


def rows(options):
    """One row for each way."""
    model = settings.get("md4_owt", options.tiny).build()
    wanted = tokens_per_second(model.network, peak_tflops(DEVICE), UTILISATION)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("rows", "documents"):
            write(Path(folder, kind), kind, size(options.tiny))
        tiny = ["--tiny"] if options.tiny else []
        starters = [
            functools.partial(Measurement, "benchmarks.input", way, folder, *tiny) for way in WAYS
        ]
        answers = alternate(starters, options.runs)
    for way, here in zip(WAYS, answers, strict=True):
        delivered = [answer["tokens"] / answer["seconds"] for answer in here]
        yield {
            "rows": way,
            "tokens_per_second": delivered,
            "per_busy_second": [answer["tokens"] / answer["busy"] for answer in here],
            "filled": here[0]["filled"] / here[0]["tokens"],
            "h200_tokens_per_second": wanted,
            "of_h200": [each / wanted for each in delivered],
        }


def document_lengths(count: int, seed: int = 0):
    """Tokens of documents, ints `[count]`: 128 and more, 1,128 on average, as OpenWebText's.

    The corpus has 9.04e9 tokens in 8.01e6 documents, and none of fewer than 128 tokens. That what
    is above is lognormal, with a sigma of 1, is assumed.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    return 128 + draw.lognormal(np.log(1000) - 0.5, 1.0, count).astype(int)


def write(folder: Path, kind: str, size: Size) -> None:
    """A prepared data set of such documents, of random tokens.

    Args:
        folder: path, a new one.
        kind: `"documents"`, or `"rows"` of them joined and cut.
        size: a `Size`.
    """
    import numpy as np

    from md4keras.data.prepared_folder import write_index
    from md4keras.data.shards import ShardWriter, token_type

    folder.mkdir()
    draw, dtype, files = np.random.default_rng(0), token_type(END_TOKEN + 1), []
    for number, lengths in enumerate(np.array_split(document_lengths(size.documents), size.shards)):
        name = f"training-{number:05d}-of-{size.shards:05d}.array_record"
        work = folder / "work"
        work.mkdir(exist_ok=True)
        writer = ShardWriter(folder / name, dtype, work, ragged=kind == "documents")
        if kind == "documents":
            records = (draw.integers(0, END_TOKEN, length) for length in lengths)
        else:
            count = int(lengths.sum() + len(lengths)) // size.row_length
            records = draw.integers(0, END_TOKEN + 1, (count, size.row_length))
        for record in records:
            writer.write(record)
        files.append(writer.finish())
    facts = {
        "name": "openwebtext",
        "kind": kind,
        "dtype": dtype,
        "shape": [size.row_length] if kind == "rows" else None,
        "with_labels": False,
        "end_token_id": END_TOKEN,
        "padding_id": None,
        "class_names": None,
        "split": "nothing is held out",
        "source": {},
        "settings": {},
    }
    write_index(folder, facts, {"training": files})


class Delivery:
    """Batches of a prepared data set; each call delivers some, from the first one on.

    Args:
        way: str, of `WAYS`.
        folder: path, with what `write` wrote as `rows` and `documents`.
        size: a `Size`.
    """

    def __init__(self, way: str, folder: Path, size: Size):
        from md4keras import data

        self.size = size
        self.folder = folder / ("documents" if WAYS[way] else "rows")
        self.prepared = data.prepared(self.folder)
        how, long = WAYS[way] or ("joined", "cut")
        self.rows = self.prepared.rows(how, size.row_length, long)

    def __call__(self) -> dict:
        """Delivers: how many `"tokens"`, and of these `"filled"`; the `"seconds"` by the clock and
        by the processor, `"busy"`.
        """
        forget(self.folder)
        spent = {"seconds": 0.0, "busy": 0.0, "tokens": 0, "filled": 0}
        batches = None
        for _ in range(self.size.batches):
            start, busy = time.perf_counter(), time.process_time()
            batches = batches or iter(self._batches())
            batch = next(batches)
            spent["seconds"] += time.perf_counter() - start
            spent["busy"] += time.process_time() - busy
            spent["tokens"] += batch["tokens"].size
            spent["filled"] += int(real(batch).sum())
        return spent

    def _batches(self):
        return self.prepared.batches("training", self.size.batch_size, True, rows=self.rows)


def real(batch: dict):
    """Which tokens of a batch are no padding, bool `[batch, length]`."""
    if "segment_ids" in batch:
        return batch["segment_ids"] > 0
    return batch.get("padding_mask", batch["tokens"] >= 0)


def forget(folder: Path) -> None:
    """Has the system drop what it holds of the files in memory, where it can be told."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.iterdir():
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main():
    parser = argparse.ArgumentParser(description=Delivery.__doc__.splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    serve(Delivery(options.way, options.folder, size(options.tiny)))


if __name__ == "__main__":
    main()
