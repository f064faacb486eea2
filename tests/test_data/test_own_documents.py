"""Documents and pairs of one's own: what is read, what is held out, what a row of a pair is."""

import csv
import json

import numpy as np
import pytest

from md4keras import data

pytestmark = pytest.mark.one_backend


def lines(folder, name, records):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(each) + "\n" for each in records))
    return folder


def test_documents_are_held_out_evenly_and_empty_ones_left_out(tmp_path):
    texts = [f"text {n}" for n in range(20)]
    lines(tmp_path / "a", "one.jsonl", [{"text": t} for t in (*texts, " ", "")])
    splits = data.own_documents(tmp_path / "a")
    assert splits.validation == [texts[9], texts[19]]
    assert splits.training == [t for t in texts if t not in splits.validation]
    assert splits.facts["documents"] == 20 and splits.facts["characters"] == sum(map(len, texts))
    assert splits.describe() == [
        "Read own_documents: 1 file, 130 characters, 20 documents.",
        "Validation: 2 of 20 documents, evenly spread, are held out.",
    ]
    moved = data.own_documents(lines(tmp_path / "b", "one.jsonl", [{"text": t} for t in texts]))
    assert moved.training == splits.training
    assert data.own_documents(tmp_path / "a", None).training == texts
    pair = data.own_documents(lines(tmp_path / "c", "a.jsonl", [{"text": "a"}, {"text": "b"}]))
    assert (pair.training, pair.validation) == (["a"], ["b"])
    with pytest.raises(ValueError, match="too few documents.*Received: 1 in path"):
        data.own_documents(lines(tmp_path / "d", "a.jsonl", [{"text": "a"}]))


def test_what_memory_does_not_hold_is_to_be_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr("md4keras.data.sources.own_documents.MOST_CHARACTERS", 9)
    with pytest.raises(ValueError, match="too large for memory.*md4keras data prepare"):
        data.own_documents(lines(tmp_path / "a", "a.jsonl", [{"text": "12345"}] * 2))


def test_a_folder_holds_documents_unless_texts_are_there(tmp_path):
    folder = lines(tmp_path / "a", "a.jsonl", [{"text": "a"}])
    assert data.holds_documents(folder) and data.holds_documents(folder / "a.jsonl")
    (folder / "picture.png").write_text("")
    assert data.holds_documents(folder)
    (folder / "b.txt").write_text("b")
    assert not data.holds_documents(folder)
    assert not data.holds_documents(tmp_path / "nowhere") and not data.is_prepared(folder)


def test_pairs_are_read_from_records_of_any_kind(tmp_path):
    pairs = [(f"{n} and {n} is", str(2 * n)) for n in range(10)]
    records = [{"prompt": prompt, "answer": answer, "id": 3} for prompt, answer in pairs]
    lines(tmp_path / "a", "a.jsonl", records[:6])
    with open(tmp_path / "a" / "b.csv", "w", newline="") as file:
        csv.writer(file).writerows([("answer", "prompt"), *((a, p) for p, a in pairs[6:])])
    splits = data.pairs(tmp_path / "a")
    assert splits.training == pairs[:9] and splits.validation == pairs[9:]
    assert splits.facts["pairs"] == 10 and splits.facts["files"] == 2
    with pytest.raises(ValueError, match="no answer.*Received: answer=' ' of pair 2"):
        data.pairs(lines(tmp_path / "b", "a.jsonl", [records[0], {"prompt": "a", "answer": " "}]))
    with pytest.raises(ValueError, match="line 1 has no 'answer', but 'prompt'"):
        data.pairs(lines(tmp_path / "c", "a.jsonl", [{"prompt": "a"}]))
    (tmp_path / "d.txt").write_text("a text")
    with pytest.raises(ValueError, match="There are no records at this path"):
        data.pairs(tmp_path / "d.txt")


def test_files_of_pairs_are_read_once(tmp_path, monkeypatch):
    parsed, loads = [], json.loads
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(text) or loads(text))
    records = [{"prompt": f"{n}", "answer": "a"} for n in range(50)]
    assert len(data.pairs(lines(tmp_path / "a", "a.jsonl", records)).training) == 45
    assert len(parsed) == 51  # the first one, to know the file; then all


def test_a_long_pair_keeps_half_a_row_of_its_prompt():
    rows = data.PairRows(data.Rows("padded", 8, end_token_id=0))
    prompt, answer = np.arange(1, 11), np.arange(21, 31)
    for lengths, kept in {
        (3, 2): (3, 3), (7, 2): (5, 3), (2, 9): (2, 6), (9, 9): (4, 4), (0, 3): (0, 4),
    }.items():  # fmt: skip
        found = rows.cut(prompt[: lengths[0]], answer[: lengths[1]])
        assert tuple(map(len, found)) == kept
        np.testing.assert_array_equal(found[0], prompt[lengths[0] - kept[0] : lengths[0]])
        assert rows.is_cut(prompt[: lengths[0]], answer[: lengths[1]]) is (sum(lengths) + 1 > 8)


def test_batches_of_pairs_are_a_function_of_their_number():
    pairs = [([n], [n, n]) for n in range(1, 8)]
    rows = data.PairRows(data.Rows("padded", 4))
    every = iter(rows.batches(pairs, 2, training=True, seed=5))
    batches = [next(every) for _ in range(9)]
    later = next(iter(rows.batches(pairs, 2, training=True, seed=5, start_batch=6)))
    for name, values in later.items():
        np.testing.assert_array_equal(values, batches[6][name])
    first = sorted(row[0] for batch in batches[:4] for row in batch["tokens"])
    assert set(first) == set(range(1, 8))
