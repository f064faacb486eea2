"""Prepared folders: what is written is read, by any number, and nothing else is taken for it."""

import json
import pickle

import numpy as np
import pytest

from md4keras import data
from md4keras.data.prepared_folder import INDEX, write_index
from md4keras.data.shards import Records, ShardWriter, token_type
from md4keras.tokenizers import ByteTokenizer

pytestmark = pytest.mark.one_backend

FACTS = dict(
    name="test",
    kind="documents",
    dtype="uint16",
    shape=None,
    with_labels=False,
    end_token_id=0,
    padding_id=1,
    class_names=None,
    source={},
    split="some",
    counts={},
    settings={},
)
DOCUMENTS = [np.random.default_rng(n).integers(2, 60_000, 1 + n % 7) for n in range(40)]


def write(folder, items, name="training-00000-of-00001", dtype="uint16", labels=None, ragged=True):
    folder.mkdir(exist_ok=True)
    (folder / "work").mkdir(exist_ok=True)
    writer = ShardWriter(folder / f"{name}.array_record", dtype, folder / "work", ragged)
    for number, item in enumerate(items):
        writer.write(item, None if labels is None else labels[number])
    return writer.finish()


@pytest.fixture
def folder(tmp_path):
    """Documents in three files, the second of them empty."""
    parts = [DOCUMENTS[:15], [], DOCUMENTS[15:]]
    files = [write(tmp_path, part, f"training-{n}") for n, part in enumerate(parts)]
    held_out = [write(tmp_path, DOCUMENTS[:2], "validation-0")]
    splits = {"training": files, "validation": held_out}
    write_index(tmp_path, FACTS, splits, ByteTokenizer())
    return tmp_path


def test_documents_are_read_by_any_number_in_any_order(folder):
    made = data.prepared(folder)
    records = made.splits["training"]
    assert len(records) == 40 and records.lengths.tolist() == [len(d) for d in DOCUMENTS]
    for numbers in ([3], [39, 0, 15, 14, 15], list(range(40)), []):
        for found, number in zip(records.__getitems__(numbers), numbers, strict=True):
            np.testing.assert_array_equal(found, DOCUMENTS[number])
            assert found.dtype == "int32"
    np.testing.assert_array_equal(records[-1], DOCUMENTS[-1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(records))[20], DOCUMENTS[20])
    with pytest.raises(IndexError, match="number=40 of 40"):
        records[40]
    assert type(made.tokenizer) is ByteTokenizer
    made.check()


def test_it_is_a_source_of_grain(folder):
    import grain

    dataset = grain.MapDataset.source(data.prepared(folder).splits["training"]).shuffle(seed=1)
    assert sorted(map(len, dataset)) == sorted(map(len, DOCUMENTS))


@pytest.mark.parametrize("way", data.rows.WAYS)
def test_rows_of_a_folder_are_those_of_the_documents_in_memory(folder, way):
    made = data.prepared(folder)
    rows = made.rows(way, 16)
    there = list(made.batches("training", 4, training=False, rows=rows))
    for one, other in zip(there, rows.batches(DOCUMENTS, 4, training=False), strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    assert (rows.end_token_id, rows.padding_id) == (0, 1)


def test_rows_and_images_come_as_batches(tmp_path):
    rows = np.arange(96).reshape(6, 16)
    facts = FACTS | dict(kind="rows", shape=[16])
    write_index(
        tmp_path / "rows", facts, {"training": [write(tmp_path / "rows", rows, ragged=False)]}
    )
    made = data.prepared(tmp_path / "rows")
    batches = list(made.batches("training", 4, training=False))
    np.testing.assert_array_equal(np.concatenate([b["tokens"] for b in batches]), rows)
    with pytest.raises(ValueError, match="not documents.*of rows of shape"):
        made.rows("packed", 16)

    images = np.random.default_rng(0).integers(0, 256, (6, 2, 3, 3))
    for labels in (None, np.arange(6) * 1000):
        folder = tmp_path / f"images{labels is None}"
        facts = FACTS | dict(kind="images", dtype="uint8", shape=[2, 3, 3])
        facts["with_labels"] = labels is not None
        files = [write(folder, images, dtype="uint8", labels=labels, ragged=False)]
        write_index(folder, facts, {"training": files})
        batches = list(data.prepared(folder).batches("training", 4, training=False))
        if labels is not None:
            found = np.concatenate([y for _, y in batches])
            np.testing.assert_array_equal(found, labels)
            batches = [x for x, _ in batches]
        np.testing.assert_array_equal(np.concatenate(batches), images)


def test_documents_need_a_way_and_a_split_that_is_there(folder):
    made = data.prepared(folder)
    with pytest.raises(ValueError, match="Expected `rows`. Received: rows=None"):
        made.batches("training", 4, training=False)
    with pytest.raises(ValueError, match="Received: split='train'"):
        made.batches("train", 4, training=False, rows=made.rows("packed", 16))


def test_what_is_not_finished_or_damaged_is_not_read(folder, tmp_path):
    with pytest.raises(ValueError, match="There is no prepared data set"):
        data.prepared(tmp_path / "nowhere")
    index = (folder / INDEX).read_text()
    (folder / INDEX).unlink()
    with pytest.raises(ValueError, match="There is no prepared data set.*which is not finished"):
        data.prepared(folder)
    for content in ("{", "[]", "{}", json.dumps(json.loads(index) | {"format": 2})):
        (folder / INDEX).write_text(content)
        with pytest.raises(ValueError, match="no index of a data set that is known"):
            data.prepared(folder)
    (folder / INDEX).write_text(index)
    file = folder / "training-2.array_record"
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="damaged: 'training-2.array_record' is missing or has"):
        data.prepared(folder)
    file.write_bytes(content[:-1] + b"?")
    with pytest.raises(ValueError, match="damaged: 'training-2.array_record' has changed"):
        data.prepared(folder).check()
    (folder / "training-0.lengths").unlink()
    with pytest.raises(ValueError, match="damaged: 'training-0.lengths' is missing"):
        data.prepared(folder)


def test_the_smallest_type_that_holds_the_tokens(tmp_path):
    sizes = {256: "uint8", 257: "uint16", 50257: "uint16", 2**16: "uint16", 2**16 + 1: "uint32"}
    assert {size: token_type(size) for size in sizes} == sizes
    facts = write(tmp_path, [[2**16, 7]], dtype="uint32")
    (found,) = Records(tmp_path, [facts], "uint32")
    assert found.tolist() == [2**16, 7]


def test_a_full_disk_is_told_as_such(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.array_record").symlink_to("/dev/full")
    writer = ShardWriter(tmp_path / "a.array_record", "uint16", tmp_path / "work", False)
    with pytest.raises(OSError, match="No space left on device"):
        for _ in range(2000):
            writer.write(np.zeros(2**12))
        writer.finish()
    assert not (tmp_path / "a.array_record").exists()
