"""Interrupted runs: each ends within two steps, resumes, and ends as if nothing had happened."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import md4keras
from md4keras import callbacks, data
from tests.reference import ROOT
from train import loop, milestones, pydoc
from train.state import RunState

pytestmark = pytest.mark.one_backend

SETTINGS = ["network.num_layers=1", "network.num_heads=2", "network.feature_dim=8"]
SETTINGS += ["sequence_length=16", "sampling.num_steps=4", "optimizer.ema_momentum=0.3"]
COMMAND = ["--steps", "14", "--interval", "5", "--batch-size", "4", "--set", *SETTINGS]


class Moments:
    """Real signals at the n-th of a kind of moments, and how many came after it."""

    def __init__(self, monkeypatch):
        self.kind, self.left, self.number, self.after = None, 0, None, {}
        monkeypatch.setattr(
            milestones.Milestones, "on_train_batch_begin", lambda *_, **__: self("training")
        )
        monkeypatch.setattr(
            callbacks.StopBetweenBatches,
            "on_test_batch_begin",
            lambda *_, **__: self("validation"),
        )
        save, steps = RunState.save, md4keras.MD4.sample_steps
        model_saved = md4keras.save_model

        def saving(state, model):
            self("saving")
            save(state, model)

        def sampling(model, *args, **kwargs):
            for each in steps(model, *args, **kwargs):
                self("sampling")
                yield each

        def saving_model(*args):
            self("saving the model")
            return model_saved(*args)

        monkeypatch.setattr(RunState, "save", saving)
        monkeypatch.setattr(md4keras.MD4, "sample_steps", sampling)
        monkeypatch.setattr(md4keras, "save_model", saving_model)

    def choose(self, kind, left, number):
        self.kind, self.left, self.number, self.after = kind, left, number, None

    def __call__(self, kind):
        if self.after is not None:
            self.after[kind] = self.after.get(kind, 0) + 1
        if kind == self.kind:
            self.left -= 1
            if self.left == 0:
                self.after = {}
                os.kill(os.getpid(), self.number)


def rows(folder):
    """The history without the times, which pass differently; its files tell the same."""
    found = json.loads((folder / "history.json").read_text())
    assert found == [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    times = ("seconds", "tokens_per_second")
    return [{name: value for name, value in row.items() if name not in times} for row in found]


def check_equal(whole, broken):
    assert rows(broken) == rows(whole)
    models = [md4keras.load_model(folder / "model") for folder in (whole, broken)]
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def little_text(monkeypatch):
    monkeypatch.setattr(md4keras.MD4, "_passes_wanted", lambda self: 2)
    text = data.Splits(*data.split_text("the quick brown fox jumps over the dog " * 60))
    monkeypatch.setattr(type(data.pydoc), "__call__", lambda self: text)


KINDS = ("training", "validation", "sampling", "saving")


def test_interrupts_of_every_kind(tmp_path, monkeypatch, capsys, little_text):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(whole)])
    moments, numbers = Moments(monkeypatch), random.Random(5)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    stops = []
    for kind in (*KINDS, *KINDS):
        number = numbers.choice((signal.SIGINT, signal.SIGTERM))
        moments.choose(kind, numbers.randint(1, 2), number)
        more = ["--resume"] if stops else []
        capsys.readouterr()
        try:
            loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(broken), *more])
        except SystemExit as end:
            assert end.code == 128 + number
            assert re.search(
                r"stopped after step \d+; continue with --resume", capsys.readouterr().err
            )
            assert moments.after is not None and max(moments.after.values(), default=0) <= 2
            stops.append(kind)
        else:
            break
    assert set(stops) == set(KINDS) and len(stops) >= 5
    moments.choose(None, 0, None)
    if not (broken / "model").exists():
        loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(broken), "--resume"])
    check_equal(whole, broken)
    assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]


def test_an_interrupt_while_the_model_is_saved_leaves_it_whole(
    tmp_path, monkeypatch, capsys, little_text
):
    moments = Moments(monkeypatch)
    moments.choose("saving the model", 1, signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(tmp_path / "run")])
    assert end.value.code == 143
    assert "Saved in" in capsys.readouterr().out
    md4keras.load_model(tmp_path / "run" / "model")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["read", "state"])
def test_an_interrupt_before_the_first_step_ends_in_one_line(
    tmp_path, monkeypatch, capsys, little_text, number, moment
):
    place = (loop.inputs, "read") if moment == "read" else (loop, "RunState")
    monkeypatch.setattr(*place, lambda *_: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as end:
        loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(tmp_path / "run")])
    assert end.value.code == 128 + number
    assert capsys.readouterr().err == "stopped before the first step; nothing was saved\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_of_the_imports_ends_in_one_line(tmp_path, number):
    """A package that recipes import sends the signal while it is imported."""
    (tmp_path / "h5py.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\n")
    arguments, environment = command(tmp_path / "run")
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
    ended = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (128 + number, "stopped\n")


def test_signals_that_are_ignored_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with callbacks.Stop() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.signal is None
            assert signal.getsignal(signal.SIGTERM) == stop._note
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def command(folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"}
    arguments = [sys.executable, "-m", "train.pydoc", "--output", str(folder)]
    arguments += ["--steps", "60", "--interval", "20", "--batch-size", "8", "--set", *SETTINGS]
    return arguments, environment


def test_the_second_signal_ends_a_process_at_once(tmp_path):
    program = (
        "import os, signal, time\n"
        "from md4keras.callbacks import Stop\n"
        "with Stop() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still here', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('no more', flush=True)\n"
    )
    _, environment = command(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == -signal.SIGINT
    assert ended.stdout == "still here\n"
    assert ended.stderr == "\nStopping at the end of this step; once more stops at once.\n"


@pytest.mark.slow
def test_twenty_signals_to_a_process_at_random_moments(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    arguments, environment = command(whole)
    subprocess.run(arguments, env=environment, check=True, capture_output=True)
    numbers, stopped = random.Random(7), 0
    for attempt in range(20):
        arguments, _ = command(broken if not (broken / "model").exists() else tmp_path / "again")
        if (broken / "training_states").exists() and not (broken / "model").exists():
            arguments.append("--resume")
        elif (tmp_path / "again" / "training_states").exists():
            arguments.append("--overwrite")
        pipe = subprocess.PIPE
        process = subprocess.Popen(arguments, env=environment, stdout=pipe, stderr=pipe, text=True)
        for line in process.stdout:  # handlers stand from here on
            if line.startswith("Compiling"):
                break
        time.sleep(numbers.uniform(0, 8))
        number = numbers.choice((signal.SIGINT, signal.SIGTERM))
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors, (attempt, errors)
        assert process.returncode in (0, 128 + number), (attempt, errors)
        stopped += process.returncode != 0
    assert stopped >= 10
    if not (broken / "model").exists():
        arguments, _ = command(broken)
        subprocess.run([*arguments, "--resume"], env=environment, check=True, capture_output=True)
    check_equal(whole, broken)
