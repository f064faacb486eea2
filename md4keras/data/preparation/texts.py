"""The steps that make token files of documents: read a part, tokenise and write it."""

import functools
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from md4keras import tokenizers
from md4keras.data import detokenizers
from md4keras.data.document_files import DocumentFiles
from md4keras.data.document_readers import PLAIN, ending
from md4keras.data.download import download
from md4keras.data.preparation import hub
from md4keras.data.preparation.engine import PROGRESS, Counter
from md4keras.data.shards import ShardWriter, token_type
from md4keras.files import import_optional, write_whole

GROUP = 10_000  # documents, of which a part is drawn for validation
_MOST_TOKENS = 2**26  # in a group, which is in memory
_AT_ONCE = 256  # documents that the tokenizer gets
_WORDS = "words"  # of a document before it was detokenised, in its metadata


class Part(NamedTuple):
    """What a rank reads.

    Attributes:
        split: str, where it goes to.
        places: list of `hub.Place`.
        limit: int, documents at most, or `None`.
    """

    split: str
    places: list
    limit: int | None = None


class ReadDocuments:
    """The first step: the documents of a rank's part, whose files are fetched where they are not.

    A fetched file is removed when it has been read, so that the disk holds one a worker. What it
    gives are `datatrove`'s documents, which that library's filters take.

    Args:
        folder: that is being prepared.
        parts: of all ranks.
        field: str, the column or entry with the text.
        lines: bool, as of `read_texts`.
    """

    def __init__(self, folder: Path, parts: list[Part], field: str, lines: bool = False):
        self.folder, self.parts, self.field, self.lines = folder, parts, field, lines

    def __call__(self, data, rank: int = 0, world_size: int = 1) -> Iterator:
        part = self.parts[rank]
        return itertools.islice(self._all(part, rank), part.limit)

    def _all(self, part: Part, rank: int) -> Iterator:
        for number, place in enumerate(part.places):
            if place.path is not None:
                yield from self._read(Path(place.path), place.name)
                continue
            folder = self.folder / PROGRESS / "downloads" / f"{rank:05d}-{number}"
            file = folder / Path(place.name).name
            download(place.url, file, place.sha256, place.size, hub.headers())
            yield from self._read(file, place.name)
            shutil.rmtree(folder)

    def _read(self, file: Path, name: str) -> Iterator:
        kind = import_optional("datatrove.data", "prepares the data", "md4keras[data]").Document
        for place, text in read_texts(file, self.field, self.lines):
            yield kind(text=text, id=name if place is None else f"{name}:{place}")


def read_texts(file: Path, field: str, lines: bool) -> Iterator[tuple[int | str | None, str]]:
    """The documents of a file of a data set, each with its place, `None` for the whole file.

    Args:
        file: path.
        field: str, the column or entry with the text.
        lines: bool, whether of plain text each line is a document, without space at its ends.

    Raises:
        ValueError: where the file turns out to be damaged, naming it and the place.
    """
    for place, (text,) in DocumentFiles(file, [file], (field,), [], []).texts(file):
        if lines and ending(file) in PLAIN:
            yield from enumerate((line.strip() for line in text.removesuffix("\n").split("\n")), 1)
        else:
            yield place, text


class Detokenize:
    """A step in between: what comes, cleaned as `md4keras.data.detokenizers` does.

    How many words (between white space) there were before is noted with each document.

    Args:
        name: str, of the detokeniser.
    """

    def __init__(self, name: str):
        self.name = name

    def __call__(self, data: Iterable, rank: int = 0, world_size: int = 1) -> Iterator:
        detokenize = detokenizers.get(self.name)
        for document in data:
            document.metadata[_WORDS] = len(document.text.split())
            document.text = detokenize(document.text)
            yield document


class WriteTokens:
    """The last step: what comes, documents with `id` and `text`, as token files of the rank.

    Args:
        folder: that is being prepared.
        splits: list of str, where each rank's documents go to.
        tokenizer: an object that can be pickled.
        row_length: int, to join the documents and cut them into rows; `None` to keep them.
        validation: float, the part that is drawn for validation from what goes to training, of
            every 10,000 documents' rows or documents.
        keep_empty: bool, whether documents without a token are kept.
    """

    def __init__(
        self,
        folder: Path,
        splits: list,
        tokenizer,
        row_length: int | None,
        validation: float,
        keep_empty: bool = False,
    ):
        self.folder, self.splits, self.tokenizer = folder, splits, tokenizer
        self.row_length, self.validation, self.group = row_length, validation, GROUP
        self.dtype = stored_type(tokenizer, row_length)
        self.end, self.keep_empty = getattr(tokenizer, "end_token_id", None), keep_empty

    def __call__(self, data: Iterable, rank: int = 0, world_size: int = 1) -> None:
        draw, counter = np.random.default_rng([0, rank]), Counter(self.folder, rank)
        validation = self.validation if self.splits[rank] == "training" else 0.0
        names = [self.splits[rank]] + (["validation"] if validation else [])
        new = functools.partial(new_writer, self.folder, rank, world_size, self.dtype)
        writers = {name: new(name, self.row_length is None) for name in names}
        rest, empty, left_out, words = np.zeros(0, self.dtype), 0, 0, _Words(data)
        for group in self._groups(words):
            kept = [tokens for tokens in group if self.keep_empty or len(tokens)]
            empty += sum(not len(tokens) for tokens in group)
            left_out += len(group) - len(kept)
            if self.row_length is not None:
                kept, rest = self._cut(kept, rest)
            held_out = _draw(draw, len(kept), validation)
            for item, held in zip(kept, held_out, strict=True):
                writers["validation" if held else self.splits[rank]].write(item)
            counter.add(len(group))
        counter.note()
        facts = {"documents": counter.count, "empty": left_out}
        if not validation:  # else nobody knows which words went where
            about = {"documents": counter.count, "empty": empty, **words.counts()}
            facts["texts"] = {self.splits[rank]: about}
        write_part(self.folder, rank, writers, facts)

    def _groups(self, documents: Iterable) -> Iterator[list[np.ndarray]]:
        """Tokens of some 10,000 documents."""
        group, size = [], 0
        documents = iter(documents)
        while batch := list(itertools.islice(documents, _AT_ONCE)):
            for tokens in self._encode(batch):
                group.append(np.asarray(tokens).astype(self.dtype))
                size += len(tokens)
                if len(group) == self.group or size >= _MOST_TOKENS:
                    yield group
                    group, size = [], 0
        if group:
            yield group

    def _encode(self, batch: list) -> list:
        texts = [document.text for document in batch]
        try:
            return tokenizers.encode_batch(self.tokenizer, texts)
        except ValueError as error:
            raise ValueError(
                f"The tokenizer cannot encode a document from {batch[0].id!r} to {batch[-1].id!r}: "
                f"{error}"
            ) from error

    def _cut(self, documents: list, rest) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the joined documents, and what is left."""
        end = np.array([] if self.end is None else [self.end], self.dtype)
        joined = np.concatenate([rest, *(part for d in documents for part in (d, end))])
        count = len(joined) // self.row_length
        cut = count * self.row_length
        return joined[:cut].reshape(count, self.row_length), joined[cut:]


class _Words:
    """Documents whose words, between white space, are counted as they pass."""

    def __init__(self, documents: Iterable):
        self.documents, self.published, self.tokenized = documents, 0, 0

    def __iter__(self) -> Iterator:
        for document in self.documents:
            count = len(document.text.split())
            self.tokenized += count
            self.published += document.metadata.get(_WORDS, count)
            yield document

    def counts(self) -> dict[str, int]:
        """The words as published, and those of the texts that were tokenised."""
        return {"words": self.published, "words_detokenized": self.tokenized}


def stored_type(tokenizer, row_length: int | None) -> str:
    """The smallest type of what is stored; documents that are kept have no end token in them.

    Args:
        tokenizer, row_length: as of `WriteTokens`.
    """
    size = tokenizer.vocabulary_size
    unused = row_length is None and getattr(tokenizer, "end_token_id", None) == size - 1
    return token_type(size - unused)


def new_writer(
    folder: Path, rank: int, ranks: int, dtype: str, split: str, ragged: bool
) -> ShardWriter:
    """The writer of a rank's file of a split."""
    work = folder / PROGRESS / "work"
    work.mkdir(parents=True, exist_ok=True)
    name = f"{split}-{rank:05d}-of-{ranks:05d}.array_record"
    return ShardWriter(folder / name, dtype, work, ragged)


def write_part(folder: Path, rank: int, writers: dict[str, ShardWriter], facts: dict) -> None:
    """Finishes a rank's files, and notes what is in them."""
    files = {name: writer.finish() for name, writer in writers.items()}
    part = json.dumps({"files": files, **facts})
    write_whole(folder / PROGRESS / "parts" / f"{rank:05d}.json", part)


def _draw(draw, count: int, part: float) -> np.ndarray:
    """Which of so many are held out: the part asked for, but one at least."""
    held_out = np.zeros(count, bool)
    if part and count > 1:
        held_out[draw.choice(count, max(1, round(part * count)), replace=False)] = True
    return held_out
