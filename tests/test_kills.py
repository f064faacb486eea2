"""Runs that are killed at any moment go on, and end as if nothing had happened: rows included."""

import json
import random
import signal
import subprocess
import time

import numpy as np
import pytest

import md4keras
from md4keras.callbacks import StateFolder
from tests.test_interrupts import COMMAND, check_equal, command, little_text  # noqa: F401
from train import history, loop, milestones, pydoc
from train.folder import RunFolder
from train.state import RunState

pytestmark = pytest.mark.one_backend


class Killed(BaseException):
    """Which nothing in the run catches, as nothing does `kill -9`."""


def kill_at(monkeypatch, place, name, number):
    """Breaks a run off before the n-th call of a method does its work."""
    original, left = getattr(place, name), [number]

    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(place, name, call)


@pytest.mark.parametrize(
    "resume_after",
    [
        # before and after what belongs together is written, at the first and the second interval
        [(RunState, "save", 1), (RunState, "save", 4)],
        [(milestones.Milestones, "evaluate", 2), (RunState, "add_row", 1)],
        [(history.History, "add", 1), (history.History, "add", 1)],
    ],
)
def test_no_row_is_lost_between_two_files(tmp_path, monkeypatch, whole_run, resume_after):
    every = ["--set", "checkpoint.every=2"]
    resume = []
    for moment in resume_after:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_at(patch, *moment)
            loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(tmp_path / "run"), *resume, *every])
        resume = ["--resume"] if RunFolder(tmp_path / "run").has_state else []
        for name in ("history.json", "log.jsonl"):
            if (tmp_path / "run" / name).exists():  # as a file system may leave it
                (tmp_path / "run" / name).write_text('[{"step": 5, "bits')
    loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(tmp_path / "run"), *resume, *every])
    check_equal(whole_run, tmp_path / "run")
    check_tensorboard(tmp_path / "run")


@pytest.fixture
def whole_run(tmp_path, request):
    request.getfixturevalue("little_text")
    loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(tmp_path / "whole")])
    return tmp_path / "whole"


def check_tensorboard(folder):
    """TensorBoard's file has each row once, with the numbers of the history."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "logs"))
    found.Reload()
    events = found.Scalars("val_bits_per_dim")
    told = json.loads((folder / "history.json").read_text())
    assert [event.step for event in events] == [row["step"] for row in told]
    np.testing.assert_allclose(
        [event.value for event in events], [row["val_bits_per_dim"] for row in told], rtol=1e-6
    )


@pytest.mark.usefixtures("little_text")
def test_states_of_another_format_or_backend_and_damaged_ones_are_told(tmp_path, capsys):
    def refusal(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(tmp_path / "run"), *arguments])
        assert end.value.code == 2
        return capsys.readouterr().err

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "training_state.npz").write_bytes(b"")
    assert "holds another run" in refusal()
    assert "Received: a training state of an older version" in refusal("--resume")
    (tmp_path / "run" / "training_state.npz").unlink()
    keep = ["--set", "checkpoint.every=4", "checkpoint.keep_last=1", "checkpoint.keep_every=7"]
    loop.main(pydoc.RECIPE, [*COMMAND, "--output", str(tmp_path / "run"), *keep])
    states = sorted((tmp_path / "run" / "training_states").iterdir())
    assert [path.name for path in states] == ["step_0000000008", "step_0000000014"]
    about = states[-1] / "about" / "about.json"
    told = about.read_text()
    about.write_text(told.replace('"orbax"', '"npz"'))
    assert "written as npz" in refusal("--resume") and states[-1].exists()
    about.write_text(told[:100])
    assert "step 14 cannot be read" in refusal("--resume")
    about.write_text(told)
    for path in (states[-1] / "arrays").rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(path.read_bytes()[:50])
    assert "Remove that folder to go on from step 8" in refusal("--resume")


@pytest.mark.usefixtures("little_text")
def test_steps_that_are_skipped_in_a_row_end_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(md4keras.MD4, "masking_weight", lambda self, time: time * float("nan"))
    arguments = ["--output", str(tmp_path / "run"), "--set", "max_skipped_steps=3"]
    with pytest.raises(SystemExit) as end:
        loop.main(pydoc.RECIPE, [*COMMAND, *arguments])
    assert end.value.code == 2
    assert "Received: 3 skipped steps" in capsys.readouterr().err


def wait_for_another_state(folder, process):
    states = StateFolder(folder / "training_states")
    before = states.steps
    while states.steps == before and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.slow
def test_twenty_kills_at_random_moments(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    more = ["--steps", "600", "--interval", "15"]
    arguments, environment = command(whole)
    subprocess.run([*arguments, *more], env=environment, check=True, capture_output=True)
    arguments, _ = command(broken)
    arguments += [*more, "--set", "checkpoint.every=7"]
    numbers, kills, resume = random.Random(3), 0, []
    while not (broken / "model").exists():
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [*arguments, *resume], env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Compiling"):
                break
        if kills < 20:
            if numbers.random() < 0.8:  # else while the first step is compiled
                wait_for_another_state(broken, process)
            time.sleep(numbers.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=300)
        assert process.returncode in (0, -signal.SIGKILL), "".join(lines) + rest
        kills += process.returncode != 0
        resume = ["--resume"] if RunFolder(broken).has_state else []
        print(kills, StateFolder(broken / "training_states").steps, flush=True)
    assert kills == 20
    check_equal(whole, broken)
    check_tensorboard(broken)
