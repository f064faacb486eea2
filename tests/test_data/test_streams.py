"""Streams of one's own texts: the splits that sources have in memory, a text at a time."""

import gzip
import json
import tracemalloc

import pytest

from md4keras import data

pytestmark = pytest.mark.one_backend

LENGTHS = {
    "one file": [503],
    "whole files": [100] * 40,
    "the end of each": [900, 5, 70],
}


def write_texts(folder, lengths):
    folder.mkdir()
    for number, length in enumerate(lengths):
        text = "".join(f"{number} né {n}\r\n" for n in range(length))[:length]
        (folder / f"{number:02}.txt").write_text(text, encoding="utf-8", newline="")
    return folder


def write_records(path, texts):
    path.write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
    return path


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("fraction", [0.1, 0.4, None])
def test_texts_are_split_as_in_memory(tmp_path, lengths, fraction):
    folder = write_texts(tmp_path / "texts", lengths)
    whole, streams = (
        read(folder, validation_fraction=fraction)
        for read in (data.text_files, data.text_files.stream)
    )
    for _ in range(2):  # read anew
        assert "".join(streams.training) == whole.training
        if fraction is None:
            assert streams.validation is whole.validation is None
        else:
            assert "".join(streams.validation) == whole.validation
    assert streams.facts == whole.facts


@pytest.mark.parametrize("count", [2, 3, 57])
@pytest.mark.parametrize("fraction", [0.1, 0.9, None])
def test_documents_are_split_as_in_memory(tmp_path, count, fraction):
    texts = [f"text {number} " * (number % 7) for number in range(1, count + 1)]  # some are empty
    path = write_records(tmp_path / "a.jsonl", [" ", *texts, "", "last"])
    whole, streams = (
        read(path, fraction, "body") for read in (data.own_documents, data.own_documents.stream)
    )
    for _ in range(2):
        assert list(streams.training) == whole.training
        if fraction is None:
            assert streams.validation is whole.validation is None
        else:
            assert list(streams.validation) == whole.validation
    assert streams.facts == whole.facts


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """A hundred texts of 100 kB, of which a few are in memory at the same time."""
    (tmp_path / "texts").mkdir()
    texts = [f"{number:05} " * 16_667 for number in range(100)]
    for number, text in enumerate(texts):
        (tmp_path / "texts" / f"{number:03}.txt").write_text(text)
    path = write_records(tmp_path / "a.jsonl", texts)
    del texts, text
    tracemalloc.start()
    try:
        for read in (
            lambda: data.text_files.stream(tmp_path / "texts"),
            lambda: data.own_documents.stream(path, field="body"),
        ):
            tracemalloc.reset_peak()
            splits = read()
            seen = sum(len(text.rstrip()) for part in splits[:2] for text in part)
            assert seen > 9_900_000
            assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_a_file_that_changes_under_way_is_named(tmp_path):
    folder = write_texts(tmp_path / "texts", [100] * 40)
    streams = data.text_files.stream(folder)
    (folder / "07.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"UTF-16.*07\.txt"):
        list(streams.training)


def test_mistakes_are_those_of_the_source(tmp_path):
    folder = write_texts(tmp_path / "texts", [100, 100])
    for read in (data.text_files.stream, data.own_documents.stream):
        with pytest.raises(ValueError, match="validation_fraction=1"):
            read(folder, validation_fraction=1)
        with pytest.raises(ValueError, match="Received: path="):
            read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="`max_bytes`.*Received: "):
        data.text_files.stream(folder, max_bytes=99)
    assert len(list(data.text_files.stream(folder, max_bytes=150).training)) == 2  # of each
    with pytest.raises(ValueError, match="split.*Received: 4 tokens"):
        data.text_files.stream(write_texts(tmp_path / "short", [4]))


def test_packed_texts_and_texts_of_other_endings_are_documents(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"one"))
    (tmp_path / "b.md").write_text("two")
    assert data.holds_documents(tmp_path) and data.holds_documents(tmp_path / "a.txt.gz")
    assert not data.holds_documents(tmp_path / "b.md")  # a single file is one text
    assert [*data.own_documents.stream(tmp_path, None).training] == ["one", "two"]
    (tmp_path / "c.txt").write_text("three")
    assert not data.holds_documents(tmp_path)
