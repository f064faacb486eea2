"""Prepared data sets: a folder of token rows, documents or images, ready to train on."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from md4keras import tokenizers
from md4keras.checks import check_name
from md4keras.data.batches import batches
from md4keras.data.folders import fingerprint, printable
from md4keras.data.rows import Rows
from md4keras.data.shards import Records
from md4keras.data.source import describe
from md4keras.files import sha256, write_whole

INDEX = "dataset.json"
TOKENIZER = "tokenizer.json"  # as in a saved model
FORMAT = 1
KINDS = ("rows", "documents", "images")


class Prepared:
    """A prepared data set, as `prepared` opens it.

    Attributes:
        folder: path.
        kind: str, `"rows"`, `"documents"` or `"images"`.
        index: dictionary, what `dataset.json` says: `"source"`, `"settings"`, `"splits"` (of each
            the files with their counts and checksums), and more.
        facts: dictionary, what it is in short, as of `Splits`.
        class_names: tuple of str, or `None`.
        splits: dictionary of the names of splits, such as `"training"` and `"validation"`, and
            their records: Grain sources, read by number, `grain.MapDataset.source(records)`.
    """

    def __init__(self, folder: Path, index: dict):
        self.folder, self.index, self.kind = folder, index, index["kind"]
        names, shape = index["class_names"], index["shape"]
        self.class_names = None if names is None else tuple(names)
        shape = None if shape is None else tuple(shape)
        self.splits = {
            name: Records(folder, split["files"], index["dtype"], shape, index["with_labels"])
            for name, split in index["splits"].items()
        }

    @functools.cached_property
    def tokenizer(self):
        """The tokenizer that made the tokens; `None` for images."""
        if self.index["tokenizer"] is None:
            return None
        return tokenizers.get(json.loads((self.folder / TOKENIZER).read_text(encoding="utf-8")))

    @functools.cached_property
    def facts(self) -> dict:
        splits = self.index["splits"].values()
        files = [file for split in splits for file in split["files"]]
        origin = self.index["source"]
        facts = {"source": self.index["name"], self.kind: sum(s["records"] for s in splits)}
        if self.kind != "images":
            facts["tokens"] = sum(split["values"] for split in splits)
        if empty := self.index["counts"].get("empty"):
            facts["empty"] = empty
        if self.class_names is not None:
            facts["classes"] = list(self.class_names)
        return facts | {
            "split": self.index["split"],
            **{key: origin[key] for key in ("skipped", "ignored") if key in origin},
            "fingerprint": fingerprint((file["file"], file["sha256"]) for file in files),
        }

    def describe(self) -> list[str]:
        """What is in it, in a few lines."""
        return describe(self.facts)

    def rows(self, way: str, sequence_length: int, long: str = "cut") -> Rows:
        """The way to make rows of these documents, with the end and padding of their tokenizer.

        Args:
            way, sequence_length, long: as of `Rows`.

        Raises:
            ValueError: if they are no documents, or rows already of another length.
        """
        if self.kind == "rows" and (way, sequence_length) == ("joined", *self.index["shape"]):
            return Rows(way, sequence_length)  # the end tokens are in them
        if self.kind != "documents":
            raise ValueError(
                "These data are not documents that rows could be made of. Expected documents. "
                f"Received: {printable(self.folder)!r} of {self.kind} of shape "
                f"{self.index['shape']}. Prepare them anew, with --rows documents."
            )
        end, padding = self.index["end_token_id"], self.index["padding_id"] or 0
        return Rows(way, sequence_length, end, padding, long)

    def batches(
        self,
        split: str,
        batch_size: int,
        training: bool,
        seed: int = 0,
        start_batch: int = 0,
        shard: tuple[int, int] = (0, 1),
        rows: Rows | None = None,
    ):
        """Batches of a split, in the order that `md4keras.data.batches` says.

        Args:
            split: str, one of `splits`.
            batch_size, training, seed, start_batch, shard: as of `md4keras.data.batches`.
            rows: what `self.rows` returned; needed for documents alone.

        Returns:
            A `grain.IterDataset`: of text dictionaries as of `Rows.batches`; of images int32
            `[batch, height, width, channels]`, or pairs of these and int32 labels `[batch]`.
        """
        records = self.splits[check_name("split", split, self.splits)]
        if self.kind != "images":
            if rows is None and self.kind == "documents":
                raise ValueError(
                    "It is not said how rows are made of these documents. Expected `rows`. "
                    "Received: rows=None. Pass rows=data.rows('packed', 1024), for instance, where "
                    "data is this data set."
                )
            rows = rows or self.rows("joined", *self.index["shape"])
            return rows.batches(records, batch_size, training, seed, start_batch, shard)

        def gather(indices, _):
            found = records.__getitems__(indices)
            if not self.index["with_labels"]:
                return np.stack(found)
            images, labels = zip(*found, strict=True)
            return np.stack(images), np.array(labels, "int32")

        return batches(gather, len(records), batch_size, training, seed, start_batch, shard)

    def check(self) -> None:
        """Reads all files and compares their checksums.

        Raises:
            ValueError: if one has changed.
        """
        for file, size_and_sum in _all_files(self.index):
            if sha256(self.folder / file) != size_and_sum["sha256"]:
                _raise_damaged(self.folder, f"{file!r} has changed since it was made")


def prepared(folder) -> Prepared:
    """Opens a data set that `md4keras data prepare` made.

    Nothing is read but its index, and the sizes of the files are compared with it.

    Args:
        folder: path, the `--out` of the preparation.

    Raises:
        ValueError: if it is not there, not finished, of another version or damaged.
    """
    folder = Path(folder).expanduser()
    index = read_index(folder)
    if index is None:
        half = any(folder.glob("*.array_record")) if folder.is_dir() else False
        raise ValueError(
            f"There is no prepared data set. Expected a folder with {INDEX}. "
            f"Received: folder={printable(folder)!r}{', which is not finished' if half else ''}. "
            "Prepare it: `md4keras data prepare NAME --out FOLDER` goes on where it stopped."
        )
    for file, size_and_sum in _all_files(index):
        path = folder / file
        if not path.is_file() or path.stat().st_size != size_and_sum["bytes"]:
            _raise_damaged(folder, f"{file!r} is missing or has another size")
    return Prepared(folder, index)


def is_prepared(path) -> bool:
    """Whether a path is a folder that a preparation has finished.

    Example:

    >>> md4keras.data.is_prepared("no such folder")
    False
    """
    return (Path(path).expanduser() / INDEX).is_file()


def read_index(folder: Path) -> dict | None:
    """What `dataset.json` says, or `None` where it is not there.

    Raises:
        ValueError: if it is no index, or of another version.
    """
    path = folder / INDEX
    if not path.is_file():
        return None
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        known = index["format"] == FORMAT and index["kind"] in KINDS and index["splits"]
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(
            f"This is no index of a data set that is known here. Expected one of format {FORMAT}. "
            f"Received: {printable(path)!r}. Prepare the data with this version, elsewhere."
        )
    return index


def write_index(folder: Path, facts: dict, splits: dict[str, list[dict]], tokenizer=None) -> None:
    """Writes the index, which makes the folder a data set.

    Args:
        facts: dictionary of `"name"`, `"kind"`, `"dtype"`, `"shape"`, `"with_labels"`,
            `"end_token_id"`, `"padding_id"`, `"class_names"`, `"split"` (a sentence on what is held
            out), `"source"` and `"settings"`, in JSON values.
        splits: of each split what `ShardWriter.finish` returned, in order.
        tokenizer: that of texts.
    """
    described = None
    if tokenizer is not None:
        path = write_whole(folder / TOKENIZER, json.dumps(tokenizers.serialize(tokenizer)))
        described = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    counted = {
        name: {
            "records": sum(file["records"] for file in files),
            "values": sum(file["values"] for file in files),
            "files": files,
        }
        for name, files in splits.items()
    }
    index = {"format": FORMAT, **facts, "tokenizer": described, "splits": counted}
    write_whole(folder / INDEX, json.dumps(index, indent=1) + "\n")


def _all_files(index: dict) -> Iterator[tuple[str, dict]]:
    """The names of all files, each with its size and checksum."""
    if index["tokenizer"] is not None:
        yield TOKENIZER, index["tokenizer"]
    for split in index["splits"].values():
        for file in split["files"]:
            yield file["file"], file
            if "lengths" in file:
                yield str(Path(file["file"]).with_suffix(".lengths")), file["lengths"]


def _raise_damaged(folder: Path, what: str):
    raise ValueError(
        f"The prepared data are damaged: {what}. Expected what {INDEX} lists. "
        f"Received: folder={printable(folder)!r}. Remove the folder and prepare them anew."
    )
