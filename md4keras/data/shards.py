"""Files of records: token rows, documents or images as ArrayRecord, compact and read by number."""

import errno
import os
from pathlib import Path

import numpy as np

from md4keras.files import import_optional, sha256

_WRITER = "group_size:1,uncompressed"  # each record is read alone; zstd makes tokens no smaller
_READER = "readahead_buffer_size:0,max_parallelism:0"
_LENGTHS = ".lengths"


def token_type(vocabulary_size: int) -> str:
    """The smallest type that holds all tokens, `"uint8"`, `"uint16"` or `"uint32"`."""
    return next(t for t in ("uint8", "uint16", "uint32") if vocabulary_size - 1 <= np.iinfo(t).max)


class ShardWriter:
    """Writes one file of records beside its place; `finish` moves it there.

    Args:
        path: of the file, whose ending is `.array_record`.
        dtype: str, of the values; little-endian.
        work: folder for the unfinished file, on the same disk.
        ragged: bool, whether records differ in length: a second file `*.lengths` then holds their
            lengths (uint32), so that rows can be planned without reading them.
    """

    def __init__(self, path: Path, dtype: str, work: Path, ragged: bool):
        module = import_optional("array_record.python.array_record_module", "writes data", "grain")
        self.path, self.dtype = path, np.dtype(dtype).newbyteorder("<")
        self.partial = work / path.name
        self.lengths = open(self.partial.with_suffix(_LENGTHS), "wb") if ragged else None
        self.writer = _checked(module.ArrayRecordWriter, str(self.partial), _WRITER)
        self.records = self.values = 0

    def write(self, values, label: int | None = None) -> None:
        """Adds a record, of images with its class in front (int32)."""
        record = np.asarray(values).astype(self.dtype).tobytes()
        head = b"" if label is None else np.array(label, "<i4").tobytes()
        _checked(self.writer.write, head + record)
        if self.lengths:
            self.lengths.write(np.array(len(values), "<u4").tobytes())
        self.records += 1
        self.values += np.size(values)

    def finish(self) -> dict:
        """Closes the file, moves it to its place, and returns what is in it."""
        self.close()
        facts = {"file": self.path.name, "records": self.records, "values": self.values}
        for partial in (self.partial, self.partial.with_suffix(_LENGTHS)):
            if partial.exists():
                digest = {"bytes": partial.stat().st_size, "sha256": sha256(partial)}
                facts |= digest if partial == self.partial else {"lengths": digest}
                os.replace(partial, self.path.parent / partial.name)
        return facts

    def close(self) -> None:
        """Closes the file where it is."""
        if self.lengths:
            self.lengths.close()
        if self.writer.is_open():
            _checked(self.writer.close)


class Records:
    """The records of several files, by number, in the order of the files.

    It is what Grain calls a random access source (`grain.MapDataset.source(records)`), and what
    `Rows.batches` takes.

    Attributes:
        lengths: ints, values of each record, `[records]`.

    Args:
        folder: where the files are.
        files: list of what `ShardWriter.finish` returned.
        dtype: str, of the values.
        shape: tuple, of a record, or `None` where they differ in length.
        with_labels: bool, whether a record has a class in front.
    """

    def __init__(
        self, folder: Path, files: list[dict], dtype: str, shape=None, with_labels: bool = False
    ):
        self.folder, self.files, self.shape, self.with_labels = folder, files, shape, with_labels
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.firsts = np.cumsum([0] + [file["records"] for file in files])
        self._readers = {}
        if shape is None:
            self.lengths = self._lengths()
        else:
            self.lengths = np.broadcast_to(np.int64(np.prod(shape)), (len(self),))

    def __len__(self):
        return int(self.firsts[-1])

    def __getitem__(self, number: int):
        if not -len(self) <= number < len(self):
            raise IndexError(f"Received: number={number} of {len(self)} records.")
        return self.__getitems__([number % len(self)])[0]

    def __getitems__(self, numbers) -> list:
        """The records of these numbers: int32 arrays; with labels, pairs of array and int."""
        numbers = np.asarray(numbers, "int64")
        shards = np.searchsorted(self.firsts, numbers, "right") - 1  # [n], the file of each
        found = [None] * len(numbers)
        for shard in np.unique(shards):
            places = np.flatnonzero(shards == shard)
            inside = (numbers[places] - self.firsts[shard]).tolist()
            for place, record in zip(places, self._reader(shard).read(inside), strict=True):
                found[place] = self._decode(record)
        return found

    def __getstate__(self):
        return self.__dict__ | {"_readers": {}}  # each process opens its own

    def _decode(self, record: bytes):
        head = 4 if self.with_labels else 0
        values = np.frombuffer(record, self.dtype, offset=head).astype("int32")
        if self.shape is not None:
            values = values.reshape(self.shape)
        if not self.with_labels:
            return values
        return values, int(np.frombuffer(record, "<i4", count=1)[0])

    def _reader(self, shard: int):
        if shard not in self._readers:
            name = "array_record.python.array_record_module"
            module = import_optional(name, "reads data", "grain")
            path = self.folder / self.files[shard]["file"]
            self._readers[shard] = module.ArrayRecordReader(str(path), _READER)
        return self._readers[shard]

    def _lengths(self):
        """All lengths; those of a single file stay on disk."""
        found = [
            np.memmap((self.folder / file["file"]).with_suffix(_LENGTHS), "<u4", "r")
            for file in self.files
            if file["records"]
        ]
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.zeros(0, "uint32")


def _checked(call, *arguments):
    """ArrayRecord's errors are the disk's: told as such."""
    try:
        return call(*arguments)
    except RuntimeError as error:
        full = "No space left" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, f"cannot write ({error})") from error
