"""The input's benchmark: what it writes is a prepared data set, what it counts is delivered."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import __main__
from benchmarks import input as delivery
from md4keras import data

pytestmark = pytest.mark.one_backend

SIZE = dataclasses.replace(delivery.size(tiny=True), batches=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("input")
    for kind in ("rows", "documents"):
        delivery.write(folder / kind, kind, SIZE)
    return folder


def test_documents_are_as_long_as_those_of_openwebtext():
    lengths = delivery.document_lengths(200_000)
    assert lengths.min() >= 128
    assert lengths.mean() == pytest.approx(9.04e9 / 8.01e6, rel=0.02)  # tokens, documents
    np.testing.assert_array_equal(lengths[:9], delivery.document_lengths(9))  # whatever the count


def test_both_kinds_hold_the_same_number_of_tokens(folder):
    lengths = delivery.document_lengths(SIZE.documents)
    made = {kind: data.prepared(folder / kind) for kind in ("rows", "documents")}
    np.testing.assert_array_equal(made["documents"].splits["training"].lengths, lengths)
    left = lengths.sum() + len(lengths) - made["rows"].splits["training"].lengths.sum()
    assert 0 <= left < SIZE.shards * SIZE.row_length
    for each in made.values():
        each.check()
        assert max(map(np.max, each.splits["training"])) <= delivery.END_TOKEN


@pytest.mark.parametrize("way", delivery.WAYS)
def test_what_is_delivered_is_counted(folder, way):
    found = delivery.Delivery(way, folder, SIZE)()
    assert found["tokens"] == SIZE.batches * SIZE.batch_size * SIZE.row_length
    assert found["seconds"] > 0 and found["busy"] > 0
    full = way.startswith("joined")
    assert (found["filled"] == found["tokens"]) if full else (0 < found["filled"])
    assert found["filled"] <= found["tokens"]


def test_padding_is_told_from_tokens():
    documents = [[7, 8], [9], [5, 6]]  # of 8 tokens with their ends
    for way, count in {"joined": 6, "packed": 8, "padded": 8}.items():
        rows = data.Rows(way, 3, end_token_id=0)
        (batch,) = rows.batches(documents, batch_size=9, training=False)
        assert delivery.real(batch).sum() == count


@pytest.mark.slow
def test_the_table(tmp_path):
    __main__.main(["input", "--tiny", "--runs", "2", "--output", str(tmp_path)])
    rows = json.loads((tmp_path / "input.json").read_text(encoding="utf-8"))["rows"]
    assert [row["rows"] for row in rows] == list(delivery.WAYS)
    for row in rows:
        wanted = row["h200_tokens_per_second"]
        assert row["of_h200"] == [each / wanted for each in row["tokens_per_second"]]
