"""The demo's training as the first page shows it: progress, stop, failure, and the models."""

import sys
import time

import pytest

from app import background, demo

pytestmark = pytest.mark.one_backend

# In the place of `python -m train.demo --output FOLDER`: it does what it finds written in `order`.
TRAINING = """
import pathlib, shutil, sys, time

saved, _, output = map(pathlib.Path, sys.argv[1:])
print("Training", flush=True)
(output / "digits").mkdir(exist_ok=True)
(output / "digits" / "history.json").write_text('[{"step": 150}, {"step": 300}]')
while not (output / "order").exists():
    time.sleep(0.05)
order = (output / "order").read_text()
if order != "finish":
    sys.exit(order)
shutil.copytree(saved, output / "digits" / "model")
"""


@pytest.fixture
def training(tmp_path, digits_folder, monkeypatch):
    """The training of the app on `tmp_path`, as quick as can be."""
    program = tmp_path / "training.py"
    program.write_text(TRAINING)
    saved = digits_folder / "digits" / "model"
    monkeypatch.setattr(background, "COMMAND", (sys.executable, str(program), str(saved)))
    training = demo.training(tmp_path / "demo")
    yield training
    training.stop()


@pytest.fixture
def started(training, open_page, tmp_path):
    """The page after a click on the button, with the training at work."""
    page = open_page("models", tmp_path)
    button(page, "Train the demo").click().run()
    wait_until((training.output / "digits" / "history.json").is_file)
    assert training.running
    return page


def button(page, label):
    return next((each for each in page.button if each.label.startswith(label)), None)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def end(training, order):
    """Lets the training end."""
    partial = training.output / "partial"
    partial.write_text(order)
    partial.rename(training.output / "order")
    wait_until(lambda: not training.running)


def rerun(page):
    """As the browser does, every two seconds."""
    page.run()
    assert not page.exception
    return page


def test_progress_is_shown_and_a_second_start_does_nothing(started, training):
    (bar,) = rerun(started).get("progress")
    assert bar.proto.value == 25 and "digits: 300 of 600 steps" in bar.proto.text
    assert not button(started, "Train the demo")
    process = training._process
    training.start()
    assert training._process is process


def test_every_session_sees_it(started, open_page, tmp_path):
    assert open_page("models", tmp_path).get("progress")


def test_it_is_stopped(started, training):
    process = training._process
    button(rerun(started), "Stop training").click().run()
    assert not started.exception and process.poll() is not None
    assert not started.get("progress") and not started.error
    assert button(started, "Train the demo")


def test_a_failure_is_told_with_its_reason_and_can_be_tried_again(started, training):
    end(training, "Not enough *memory*")
    rerun(started)
    assert r"Not enough \*memory\*" in started.error[0].value and not started.get("progress")
    (training.output / "order").unlink()
    button(started, "Train the demo").click().run()
    assert training.running and not started.error


def test_what_cannot_be_started_is_told(training, open_page, tmp_path):
    training.output.write_text("a file where the folder would be")
    page = open_page("models", tmp_path)
    button(page, "Train the demo").click().run()
    assert not page.exception and "File exists" in page.error[0].value


def test_in_the_end_the_models_are_there(started, training):
    end(training, "finish")
    rerun(started)
    assert started.table[0].value["Model"][0].startswith(r"Digits\: U\-Net")
    assert not started.error and not started.get("progress")
    assert not button(started, "Train the demo")
