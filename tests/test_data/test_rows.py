"""Rows of documents: nothing is lost or doubled, order and position are functions of the seed."""

import itertools
from collections import Counter

import numpy as np
import pytest

from md4keras import data
from md4keras.data import packing

pytestmark = pytest.mark.one_backend

END, PAD, LENGTH = 1, 0, 16
RNG = np.random.default_rng(0)
DOCUMENTS = [RNG.integers(2, 99, n) for n in [0, 40, 15, 16, 1, *RNG.integers(1, 30, 200)]]
KEPT = [list(d) for d in DOCUMENTS if len(d)]
STREAM = [t for d in KEPT for t in (*d, END)]
WAYS = list(itertools.product(data.rows.WAYS, data.rows.LONG))


def rows(way, long="cut", **changes):
    settings = dict(sequence_length=LENGTH, end_token_id=END, padding_id=PAD, long=long)
    return data.Rows(way, **(settings | changes))


def take(dataset, count):
    return list(itertools.islice(dataset, count))


def all_rows(batches):
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


def pieces(batches):
    """The documents, or pieces, that rows hold."""
    found = all_rows(batches)
    if "segment_ids" not in found:
        found["segment_ids"] = found["padding_mask"].astype("int32")
    return [
        tuple(row[segments == s].tolist())
        for row, segments in zip(found["tokens"], found["segment_ids"], strict=True)
        for s in range(1, segments.max() + 1)
    ]


def wanted(long):
    whole = [(*map(int, d), END) for d in KEPT]
    if long == "split":
        return [d[i : i + LENGTH] for d in whole for i in range(0, len(d), LENGTH)]
    return [(*d[:-1][: LENGTH - 1], END) for d in whole]


def test_joined_rows_are_the_stream_cut_into_blocks():
    tokens = all_rows(list(rows("joined").batches(DOCUMENTS, 7, training=False)))["tokens"]
    count = len(STREAM) // LENGTH
    np.testing.assert_array_equal(tokens, np.reshape(STREAM[: count * LENGTH], (count, LENGTH)))


def test_joined_rows_without_an_end_token():
    batches = list(rows("joined", end_token_id=None).batches(DOCUMENTS, 7, training=False))
    stream = np.concatenate(DOCUMENTS)
    np.testing.assert_array_equal(
        all_rows(batches)["tokens"].ravel(), stream[: 16 * (len(stream) // 16)]
    )


@pytest.mark.parametrize("long", data.rows.LONG)
@pytest.mark.parametrize("way", ["packed", "padded"])
def test_every_document_is_there_once_an_epoch(way, long):
    batches = list(rows(way, long).batches(DOCUMENTS, 7, training=False))
    assert Counter(pieces(batches)) == Counter(wanted(long))
    if way == "padded":
        assert pieces(batches) == wanted(long)
    found = all_rows(batches)
    assert found.keys() == {"tokens", {"packed": "segment_ids", "padded": "padding_mask"}[way]}
    assert found["tokens"].dtype == "int32"
    if way == "padded":
        assert found["padding_mask"].dtype == bool
        assert (found["tokens"][~found["padding_mask"]] == PAD).all()
    else:
        assert found["segment_ids"].dtype == "int32"
        assert (found["tokens"][found["segment_ids"] == 0] == PAD).all()
        fewest = sum(map(len, wanted(long))) / LENGTH
        assert len(found["tokens"]) < 1.1 * fewest + 1


@pytest.mark.parametrize("way, long", WAYS)
def test_batch_k_is_a_function_of_the_seed_and_k(way, long):
    make = rows(way, long)
    whole = take(make.batches(DOCUMENTS, 7, training=True, seed=3), 60)
    for done in (0, 1, 37):
        rest = take(make.batches(DOCUMENTS, 7, True, seed=3, start_batch=done), 60 - done)
        for one, other in zip(whole[done:], rest, strict=True):
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
    other = take(make.batches(DOCUMENTS, 7, training=True, seed=4), 1)[0]
    assert not np.array_equal(whole[0]["tokens"], other["tokens"])


@pytest.mark.parametrize("way, long", WAYS)
def test_a_position_can_be_saved(way, long):
    dataset = rows(way, long).batches(DOCUMENTS, 7, training=True)
    iterator = iter(dataset)
    take(iterator, 41)
    state = iterator.get_state()
    expected = take(iterator, 3)
    other = iter(dataset)
    other.set_state(state)
    for one, again in zip(expected, take(other, 3), strict=True):
        np.testing.assert_array_equal(one["tokens"], again["tokens"])


@pytest.mark.parametrize("way, long", WAYS)
@pytest.mark.parametrize("training", [False, True])
def test_processes_share_the_documents(way, long, training, monkeypatch):
    monkeypatch.setattr(packing, "WINDOW", 32)
    parts = [rows(way, long).batches(DOCUMENTS, 1, training, shard=(i, 3)) for i in range(3)]
    if not training:
        found = [tuple(b["tokens"][0]) for part in parts for b in part]
        alone = rows(way, long).batches(DOCUMENTS, 1, training)
        if way == "packed":
            assert Counter(p for part in parts for p in pieces(list(part))) == Counter(wanted(long))
        else:
            assert Counter(found) == Counter(tuple(b["tokens"][0]) for b in alone)
        return
    together = [take(part, 20) for part in parts]
    if way != "packed":  # the batches of three processes are those of one with three times the size
        alone = take(rows(way, long).batches(DOCUMENTS, 3, training), 20)
        for k, batch in enumerate(alone):
            each = np.concatenate([part[k]["tokens"] for part in together])
            np.testing.assert_array_equal(each, batch["tokens"])
    assert not np.array_equal(all_rows(together[0])["tokens"], all_rows(together[1])["tokens"])


def test_packed_windows_cover_an_epoch_and_each_epoch_has_its_own_order(monkeypatch):
    monkeypatch.setattr(packing, "WINDOW", 32)
    lengths = np.array([len(d) for d in KEPT])
    plan = packing.PackingPlan(lengths, lambda n: [(0, min(n, LENGTH))], LENGTH, 5, (0, 1))
    orders = []
    for epoch in range(2):
        windows = range(epoch * plan.per_epoch, (epoch + 1) * plan.per_epoch)
        orders.append([p[0] for w in windows for row in plan.rows(w) for p in row])
        assert sorted(orders[-1]) == list(range(len(KEPT)))
    assert orders[0] != orders[1]
    counts = [len(plan.rows(w)) for w in range(2 * plan.per_epoch)]
    for row in (0, 1, counts[0] - 1, counts[0], counts[0] + 1, sum(counts) - 1):
        window, before = plan.find(row)
        assert sum(counts[:window]) + before == row and before < counts[window]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("way", data.rows.WAYS)
def test_more_processes_than_rows(way, training):
    parts = [rows(way).batches([[7, 8]] * 9, 1, training, shard=(i, 12)) for i in range(12)]
    found = [len(take(part, 2)) for part in parts]
    assert found == [2] * 12 if training else sum(found) >= 1


@pytest.mark.parametrize("way, long", WAYS)
def test_there_is_nothing_after_the_end(way, long):
    assert not list(rows(way, long).batches(DOCUMENTS, 7, training=False, start_batch=1000))


def test_packing_fills_rows_nearly():
    lengths = np.clip(np.random.default_rng(0).lognormal(6, 1, 2**14), 1, 1024).astype(int)
    packed = packing.pack(lengths.tolist(), 1024)
    assert sorted(p for row in packed for p in row) == list(range(len(lengths)))
    filled = [int(lengths[row].sum()) for row in packed]
    assert max(filled) <= 1024 and np.mean(filled) > 0.98 * 1024


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(way="stacked"), "way='stacked'"),
        (dict(long="drop"), "long='drop'"),
        (dict(sequence_length=1), "sequence_length=1"),
        (dict(end_token_id=-1), "end_token_id=-1"),
        (dict(padding_id=None), "padding_id=None"),
    ],
)
def test_bad_settings_are_named(change, words):
    with pytest.raises(ValueError, match=f"Received: {words}"):
        rows(**({"way": "packed"} | change))


@pytest.mark.parametrize("way", data.rows.WAYS)
@pytest.mark.parametrize(
    "change, words",
    [
        (dict(batch_size=0), "batch_size=0"),
        (dict(shard=(2, 2)), r"shard=\(2, 2\)"),
        (dict(start_batch=-1), "start_batch=-1"),
        (dict(documents=[]), "0 documents of 0 tokens"),
        (dict(documents=[[]]), "0 documents of 0 tokens"),
        (dict(documents=["text"]), "documents of shape"),
        (dict(documents=[[0.5]]), "dtype=float64"),
    ],
)
def test_bad_arguments_are_named(way, change, words):
    with pytest.raises(ValueError, match=f"Received: .*{words}"):
        rows(way).batches(**(dict(documents=DOCUMENTS, batch_size=4, training=True) | change))
