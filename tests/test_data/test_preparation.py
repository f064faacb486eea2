"""Preparations of texts, from stand-ins in the real sources' format, through every fault."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from md4keras import data, tokenizers
from md4keras.cli import main
from md4keras.data import download, shards
from md4keras.data.preparation import KNOWN, Settings, planning, prepare, texts
from tests.preparation_double import EndedBytes, contents
from tests.reference import ROOT
from tests.test_data.test_documents import parquet_bytes
from tests.web_double import served

pytestmark = pytest.mark.one_backend
pytest.importorskip("datatrove")

END = EndedBytes.end_token_id
RNG = np.random.default_rng(0)
FILES = {  # of a data set on the hub
    f"plain_text/train-{n:05d}-of-00003.parquet": [
        f"{n} {i} " + "x" * RNG.integers(60) for i in range(40)
    ]
    for n in range(3)
}
SETTINGS = Settings(EndedBytes(), sequence_length=16)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(texts, "GROUP", 10)
    monkeypatch.setattr(planning, "_BYTES", 10)  # a file a rank
    monkeypatch.setattr(download, "_PAUSES", (0, 0))


@pytest.fixture
def hub(small, monkeypatch):
    """The hub, on this machine, with a stand-in for OpenWebText."""
    from huggingface_hub import constants

    with served() as web:
        content = {name: parquet_bytes({"text": rows}) for name, rows in FILES.items()}
        repository = KNOWN["openwebtext"].repository
        web.add_dataset(repository, content | {"README.md": b"..."})
        monkeypatch.setattr(constants, "ENDPOINT", web.url)
        yield web


def stream(documents):
    return [t for d in documents for t in (*d.encode(), END)]


def rows_of(folder):
    splits = data.prepared(folder).splits
    return {name: [tuple(row.tolist()) for row in split] for name, split in splits.items()}


def quiet(words):
    pass


def test_openwebtext_is_joined_and_cut_and_of_every_group_two_percent_are_held_out(hub, tmp_path):
    made = prepare("openwebtext", tmp_path / "out", SETTINGS, workers=1, say=quiet)
    rows, wanted, held_out = rows_of(tmp_path / "out"), [], 0
    for documents in FILES.values():
        tokens = stream(documents)
        wanted += [tuple(tokens[i : i + 16]) for i in range(0, len(tokens) - 15, 16)]
        ends = [len(stream(documents[:n])) // 16 for n in (0, 10, 20, 30, 40)]
        held_out += sum(max(1, round(0.02 * n)) for n in np.diff(ends))
    assert Counter(rows["training"] + rows["validation"]) == Counter(wanted)
    assert len(rows["validation"]) == held_out == 12
    in_order = [row for row in wanted if row not in rows["validation"]]
    assert [row for row in rows["training"] if row in in_order] == in_order
    assert made.index["source"] == {"repository": "Skylion007/openwebtext", "commit": "c0ffee"}
    assert made.index["counts"] == {"documents": 120, "empty": 0}
    made.check()
    assert made.describe() == [
        f"Read openwebtext: {len(wanted)} rows, {16 * len(wanted):,} tokens.",
        "Validation: of the rows of every 10,000 documents 2 % drawn at random are held out, "
        "as published.",
    ]
    again = data.get("openwebtext")(tmp_path / "out")
    assert again.facts == made.facts and len(made.facts["fingerprint"]) == 64
    with pytest.raises(ValueError, match="Expected lm1b. Received: .* with openwebtext"):
        data.lm1b(tmp_path / "out")
    batch = next(iter(made.batches("training", 5, training=True)))
    assert batch.keys() == {"tokens"} and batch["tokens"].shape == (5, 16)


def test_the_second_run_does_nothing_and_says_so(hub, tmp_path):
    said = []
    prepare("openwebtext", tmp_path / "out", SETTINGS, workers=1, say=quiet)
    before, asked = contents(tmp_path / "out"), len(hub.asked)
    prepare("openwebtext", tmp_path / "out", SETTINGS, workers=1, say=said.append)
    assert contents(tmp_path / "out") == before and len(hub.asked) == asked
    assert len(said) == 1 and "is prepared already" in said[0]
    assert not any(name.startswith(".") for name in before)


def test_a_copy_gives_what_the_hub_gives(hub, tmp_path):
    for name, rows in FILES.items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(parquet_bytes({"text": rows}))
    prepare("openwebtext", tmp_path / "one", SETTINGS, workers=1, say=quiet)
    asked = len(hub.asked)
    prepare("openwebtext", tmp_path / "two", SETTINGS, tmp_path / "copy", 1, quiet)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two") and len(hub.asked) == asked


def test_a_corpus_with_a_split_of_its_own_and_documents(hub, tmp_path):
    files = {
        f"plain_text/{split}/0000.parquet": [f"{split} {n}" for n in range(30)]
        for split in ("train", "test")
    }
    hub.add_dataset(
        "billion-word-benchmark/lm1b", {n: parquet_bytes({"text": t}) for n, t in files.items()}
    )
    made = prepare("lm1b", tmp_path / "out", Settings(EndedBytes()), workers=1, say=quiet)
    texts_of = {
        name: [made.tokenizer.decode(d) for d in split] for name, split in made.splits.items()
    }
    assert list(texts_of.values()) == list(files.values())
    batch = next(iter(made.batches("validation", 3, False, rows=made.rows("packed", 32))))
    assert (batch["tokens"] == END).sum() == batch["segment_ids"].max(axis=1).sum()


def own(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    for n in range(4):
        lines = [json.dumps({"text": f"{n} {i} " + "y" * RNG.integers(50)}) for i in range(25)]
        lines += [json.dumps({"text": "! " if n == 3 else "? "}), json.dumps({"text": ""})]
        (folder / f"{n}.jsonl").write_text("\n".join(lines))
    (folder / "note.pdf").write_bytes(b"%PDF")
    return folder


def test_documents_of_ones_own(small, tmp_path):
    folder = own(tmp_path)
    made = prepare(folder, tmp_path / "out", workers=1, say=quiet)
    found = [made.tokenizer.decode(d) for split in made.splits.values() for d in split]
    read = [d.text for d in data.documents(folder) if d.text]
    assert Counter(found) == Counter(read)
    kept = [
        t for t in read if t not in {made.tokenizer.decode(d) for d in made.splits["validation"]}
    ]
    assert [t for t in map(made.tokenizer.decode, made.splits["training"]) if t in kept] == kept
    assert made.index["counts"] == {"documents": 108, "empty": 4}
    assert made.facts["ignored"] == {"count": 1, "names": ["note.pdf"]}
    assert made.describe()[1:] == [
        "Validation: 0.1 of the documents, drawn at random, are held out.",
        "Left out, 4 empty documents.",
        "Not read, 1 of another kind: note.pdf.",
    ]
    folder.rename(tmp_path / "moved").joinpath("more.jsonl").write_text('{"text": "x"}')
    with pytest.raises(ValueError, match="Another data set is in this folder.*stamp"):
        prepare(tmp_path / "moved", tmp_path / "out", workers=1)


@pytest.mark.parametrize("mend", ["written anew", "taken away"])
def test_what_was_mended_is_prepared_by_the_same_command(small, tmp_path, mend, capsys):
    """Damage behind a file's first document shows while it is read; what was done is forgotten."""
    folder, out = tmp_path / "own", tmp_path / "out"
    folder.mkdir()
    good = "".join(json.dumps({"text": f"fox {n}"}) + "\n" for n in range(30))
    (folder / "a.jsonl").write_text(good)
    (folder / "b.jsonl").write_text('{"text": "one"}\n{"text": \n')
    command = ["data", "prepare", str(folder), "--out", str(out), "--workers", "1"]
    assert main(command) == 2
    assert "line 2 is no JSON" in capsys.readouterr().err
    if mend == "taken away":
        (folder / "b.jsonl").unlink()
    else:
        (folder / "b.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    assert main(command) == 0
    assert "it begins anew" in capsys.readouterr().err
    assert main([*command[:-3], str(tmp_path / "new"), "--workers", "1"]) == 0
    for made in out.iterdir():
        assert made.read_bytes() == (tmp_path / "new" / made.name).read_bytes()
    assert main(command) == 0
    (folder / "c.jsonl").write_text(good)
    assert main(command) == 2
    assert "The files have changed since this folder was made" in capsys.readouterr().err


@pytest.mark.parametrize("name, type_of_ends", [("bytes", "uint16"), ("text8", "uint8")])
def test_documents_end_where_rows_are_made(small, tmp_path, name, type_of_ends):
    """Kept, they take no more room for it."""
    texts = [f"{word} fox" for word in ("a", "lazy", "quick", "brown")]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (tmp_path / "own.jsonl").write_text(lines)
    settings = Settings(name, validation=0.0)
    made = prepare(tmp_path / "own.jsonl", tmp_path / "kept", settings, workers=1, say=quiet)
    assert made.index["dtype"] == "uint8" and made.tokenizer.end_token_id is not None
    for way, real in {"packed": "segment_ids", "padded": "padding_mask"}.items():
        parts = list(made.batches("training", 9, False, rows=made.rows(way, 16)))
        tokens = np.concatenate([part["tokens"][part[real] > 0] for part in parts])
        found = made.tokenizer.decode(tokens, cut=False).split(tokenizers.END_TOKEN)
        assert sorted(found[:-1]) == sorted(texts) and not found[-1]
    settings = settings._replace(rows="joined", sequence_length=8)
    made = prepare(tmp_path / "own.jsonl", tmp_path / "cut", settings, workers=1, say=quiet)
    assert made.index["dtype"] == type_of_ends
    (batch,) = made.batches("training", 9, False, rows=made.rows("joined", 8))
    assert made.tokenizer.decode(batch["tokens"].ravel(), cut=False).count(tokenizers.END_TOKEN) > 2


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_a_limit_is_spread_over_the_files(small, tmp_path, limit):
    made = prepare(
        own(tmp_path), tmp_path / "out", Settings(limit=limit, validation=0), workers=1, say=quiet
    )
    assert made.index["counts"]["documents"] == min(limit, 108)


def break_network(hub, monkeypatch):
    monkeypatch.setattr(hub_constants(), "ENDPOINT", "http://127.0.0.1:9")


def hub_constants():
    from huggingface_hub import constants

    return constants


def truncate(hub, monkeypatch):
    hub.cut = [100, 50]


def change(hub, monkeypatch):
    path = next(p for p in hub.files if p.endswith("00001-of-00003.parquet"))
    monkeypatch.setitem(hub.files, path, hub.files[path][:-1] + b"?")


def fill_disk(hub, monkeypatch):
    write, left = shards.ShardWriter.write, [120]

    def full(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, *arguments)

    monkeypatch.setattr(shards.ShardWriter, "write", full)


@pytest.mark.parametrize(
    "fault, words",
    [
        (break_network, "hub could not be asked.*Run it again"),
        (truncate, "could not be fetched: it ended after 150 of"),
        (change, "not the published file"),
        (fill_disk, "No space left on device.*Make room"),
    ],
)
def test_after_a_fault_it_goes_on_and_gives_the_same_bytes(
    hub, tmp_path, monkeypatch, fault, words
):
    prepare("openwebtext", tmp_path / "undisturbed", SETTINGS, workers=1, say=quiet)
    with monkeypatch.context() as context:
        fault(hub, context)
        with pytest.raises(ValueError, match=words):
            prepare("openwebtext", tmp_path / "out", SETTINGS, workers=1, say=quiet)
    with pytest.raises(ValueError, match="There is no prepared data set"):
        data.prepared(tmp_path / "out")
    hub.asked.clear()
    prepare("openwebtext", tmp_path / "out", SETTINGS, workers=1, say=quiet)
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")
    fetched = [path for path, _ in hub.asked if path.endswith(".parquet")]
    assert len(fetched) == {break_network: 3, truncate: 3, change: 2, fill_disk: 2}[fault]


KILLED = """
import os, random, signal, sys
import array_record.python.array_record_module, datatrove.executor.local  # not in every child
from md4keras.data.preparation import Settings, planning, prepare, texts
from tests.preparation_double import EndedBytes
planning._BYTES, texts.GROUP, texts._AT_ONCE = 10, 10, 5
folder, whole, out, seed = sys.argv[1:]

def start(out, seconds=0):
    child = os.fork()
    if child:
        return os.wait4(child, 0)[1:]
    signal.setitimer(signal.ITIMER_PROF, seconds)  # ends it on the spot; 0 never does
    prepare(folder, out, Settings(EndedBytes()), workers=1, say=lambda words: None)
    os._exit(0)

status, used = start(whole)
if status:
    sys.exit(f"undisturbed it ends with {status}")
needed, random, kills = used.ru_utime + used.ru_stime, random.Random(int(seed)), 0
while True:
    most = needed / 3 * (1 + kills / 20)  # longer and longer, should it need more than before
    status, _ = start(out, random.uniform(0.001, most))
    if not status:
        break
    if status != signal.SIGPROF:
        sys.exit(f"it ended by itself: {status}")
    kills += 1
    if kills > 100:
        sys.exit("it does not come to an end")
print(kills)
"""


def test_killed_at_random_it_goes_on_and_gives_the_same_bytes(small, tmp_path):
    """Killed after so much processor time, which other programs do not lengthen."""
    where = (own(tmp_path), tmp_path / "whole", tmp_path / "out", "0")
    arguments = [sys.executable, "-W", "ignore", "-c", KILLED, *where]
    there = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert there.returncode == 0, there.stderr
    assert int(there.stdout.split()[-1]) >= 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


INTERRUPTED = """
import sys
from md4keras.data.preparation import Settings, planning, prepare
from tests.preparation_double import EndedBytes
if __name__ == "__main__":
    planning._BYTES = 10
    print("started", flush=True)
    prepare(sys.argv[1], sys.argv[2], Settings(EndedBytes(sys.argv[3])), workers=2, say=print)
"""


@pytest.mark.slow
def test_an_interrupt_ends_the_workers(small, tmp_path):
    """Of two workers that would take minutes, neither outlives the command."""
    faults = tmp_path / "faults"
    faults.mkdir()
    (faults / "slow").write_text("60")
    program = tmp_path / "interrupted.py"
    program.write_text(INTERRUPTED)
    where = [str(own(tmp_path)), str(tmp_path / "out"), str(faults)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    there = subprocess.Popen([sys.executable, program, *where], env=environment)
    wait_for(lambda: len(list(faults.glob("at-*"))) == 2)
    workers = [int(path.name.removeprefix("at-")) for path in faults.glob("at-*")]
    there.send_signal(signal.SIGINT)
    assert there.wait(timeout=20) != 0
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def wait_for(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    with open(tmp_path / "long.jsonl", "w") as stream:
        line = json.dumps({"text": "x" * 10_000}) + "\n"
        stream.writelines(line * 1000 for _ in range(8))  # 80 MB
    code = (
        "import resource, sys; from md4keras.data.preparation import prepare, texts;"
        "import array_record.python.array_record_module, datatrove.executor.local;"
        "texts._MOST_TOKENS = 2**20; start = resource.getrusage(0).ru_maxrss;"
        "prepare(sys.argv[1], sys.argv[2], workers=1);"
        "print(resource.getrusage(0).ru_maxrss - start)"
    )
    command = [sys.executable, "-c", code, tmp_path / "long.jsonl", tmp_path / "out"]
    there = subprocess.run(command, capture_output=True, check=True)
    assert int(there.stdout.split()[-1]) < 60_000  # kilobytes
    assert sum(map(len, data.prepared(tmp_path / "out").splits.values())) == 8_000


def test_two_processes_and_one_of_them_killed(small, tmp_path):
    folder, faults, said = own(tmp_path), tmp_path / "faults", []
    faults.mkdir()
    settings = Settings(EndedBytes(str(faults)))
    prepare(folder, tmp_path / "undisturbed", settings, workers=1, say=quiet)
    (faults / "kill").touch()
    with pytest.raises(ValueError, match="a worker was killed.*Run it again"):
        prepare(folder, tmp_path / "out", settings, workers=2, say=quiet)
    prepare(folder, tmp_path / "out", settings, workers=1, say=said.append)
    assert said[0] in {f"{done} of 4 parts are done already" for done in (2, 3)}
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_datatrove_runs_a_plan_elsewhere_with_filters_between(small, tmp_path):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import LambdaFilter

    plan = data.preparation.make_plan(own(tmp_path), tmp_path / "out", Settings(validation=0))
    reader, writer = plan.steps
    with pytest.raises(ValueError, match="Expected 4 parts. Received: 0"):
        data.preparation.finish(plan)
    pipeline = [reader, LambdaFilter(keep_third), writer]
    LocalPipelineExecutor(
        pipeline, tasks=plan.tasks, workers=1, logging_dir=str(tmp_path / "logs")
    ).run()
    made = data.preparation.finish(plan)
    assert [made.tokenizer.decode(d)[2:4] for d in made.splits["training"]] == ["3 "] * 4


def keep_third(document):
    return document.text[2:4] == "3 "


@pytest.mark.parametrize("kind", ["slurm", "ray"])
def test_the_same_ranks_for_a_cluster(small, tmp_path, kind):
    plan = data.preparation.make_plan(own(tmp_path), tmp_path / "out")
    if kind == "slurm":
        executor = data.preparation.slurm_executor(plan, "1:00:00", "cpu", workers=2)
    else:
        executor = data.preparation.ray_executor(plan, workers=2)
    assert executor.world_size == plan.tasks == 4 and executor.workers == 2
    assert executor.get_incomplete_ranks() == [0, 1, 2, 3]


def test_a_damaged_record_is_told_with_its_file_and_line(small, tmp_path):
    folder = own(tmp_path)
    (folder / "2.jsonl").write_text('{"text": "fine"}\n{"text": oops}')
    with pytest.raises(ValueError, match="stopped: .*line 2 is no JSON.*2.jsonl"):
        prepare(folder, tmp_path / "out", workers=1, say=quiet)


@pytest.mark.parametrize(
    "name, settings, words",
    [
        ("nowhere", {}, "Unknown data set.*Received: 'nowhere'"),
        ("mnist", dict(tokenizer="bytes"), "mnist holds images.*tokenizer"),
        ("mnist", dict(validation=0.2, skip_bad=True), "Received: .*skip_bad.*validation"),
        ("openwebtext", dict(tokenizer="bytes", skip_bad=True), "as it was published.*skip_bad"),
        ("lm1b", dict(tokenizer="bytes", validation=0.1), "as it was published.*validation"),
        ("text8", dict(limit=3), "Expected no settings.*limit=3"),
        ("openwebtext", dict(tokenizer="bytes", rows="packed"), "rows='packed'"),
        ("openwebtext", dict(tokenizer="bytes", validation=1), "validation=1"),
        ("openwebtext", dict(tokenizer="bytes", limit=0), "limit=0"),
        ("openwebtext", dict(tokenizer="nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_told_and_leave_nothing_behind(small, tmp_path, name, settings, words):
    with pytest.raises(ValueError, match=words):
        prepare(name, tmp_path / "out", Settings(**settings), workers=1)
    assert not (tmp_path / "out").exists()


def test_arguments_without_effect_are_refused(small, tmp_path):
    with pytest.raises(ValueError, match="Expected none for documents of your own"):
        prepare(own(tmp_path), tmp_path / "out", source=tmp_path)
    with pytest.raises(ValueError, match="workers=0"):
        prepare(tmp_path / "own", tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


def test_a_single_document_cannot_be_held_out_but_its_rows_can(small, tmp_path):
    (tmp_path / "a.txt").write_text("one document " * 99)
    with pytest.raises(ValueError, match="Nothing is held out.*Received: validation=0.1"):
        prepare(tmp_path / "a.txt", tmp_path / "out", workers=1, say=quiet)
    for n, settings in enumerate((dict(rows="joined", sequence_length=16), dict(validation=0))):
        made = prepare(tmp_path / "a.txt", tmp_path / str(n), Settings(**settings), None, 1, quiet)
        assert bool(made.splits.get("validation")) == ("rows" in settings)
    assert made.describe()[1] == "Validation: nothing is held out."


def test_what_is_said_of_the_split_is_what_was_done(hub, tmp_path):
    settings = SETTINGS._replace(rows="documents", validation=0.1)
    made = prepare("openwebtext", tmp_path / "out", settings, workers=1, say=quiet)
    assert made.facts["split"] == "0.1 of the documents, drawn at random, are held out"


def test_another_folder_s_files_are_left_alone(small, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("...")
    with pytest.raises(ValueError, match="something else in the folder.*thesis.txt"):
        prepare(own(tmp_path), tmp_path / "out", workers=1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_the_command(small, tmp_path, capsys):
    folder = own(tmp_path)
    command = ["data", "prepare", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert (
        "Read own: 104 documents, " in printed.out and "4 of 4 parts, 108 examples" in printed.err
    )
    assert main(command) == 0 and "is prepared already" in capsys.readouterr().err
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 104
    assert main([*command, "--rows", "joined"]) == 2
    assert capsys.readouterr().err.startswith("error: Another data set is in this folder")
