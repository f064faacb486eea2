"""The progress of a run, on a terminal and in a log."""

import re
import sys

import pytest

from train import progress

pytestmark = pytest.mark.one_backend
SETTINGS = {"steps": 1000, "batch_size": 4, "sequence_length": 16}


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_pace_and_time_left(clock):
    told = progress.Progress(SETTINGS, done=100)
    told.begin()
    assert told.tokens_per_second is None and told.described(None) == ""
    for step in range(101, 112):  # the first one compiles, and is not of the pace
        clock[0] += 60 if step == 101 else 0.5
        told.update(step)
    assert told.tokens_per_second == 128
    left = 889 * 0.5
    said = f", 128 tokens per second, {progress.duration(left)} left"
    assert told.described(told.tokens_per_second) == said
    clock[0] += 100  # of validation, which is part of the time left alone
    told.begin()
    clock[0] += 1
    told.update(112)
    assert told.tokens_per_second == 64
    assert told.described(64) == f", 64 tokens per second, {progress.duration(888 * 106 / 11)} left"


def test_values_of_images_and_the_end_of_a_run(clock):
    told = progress.Progress({"steps": 2, "batch_size": 2, "image_shape": [8, 8, 1]}, done=0)
    told.update(1)
    clock[0] += 2
    told.update(2)
    assert told.described(told.tokens_per_second) == ", 64 values per second"


@pytest.mark.parametrize("terminal", [True, False])
def test_where_it_is_told(clock, monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    told = progress.Progress(SETTINGS, done=0)
    for step in range(1, 1000):
        clock[0] += 0.5
        told.update(step)
    told.clear()
    said = capsys.readouterr().out
    line = r"step [\d,]+ of 1,000{}, 128 tokens per second, \d+ min \d+ s left"
    if terminal:
        bar = line.format(r" \[=* *\]")
        *lines, blank, end = said.split("\r")[1:]
        assert len(lines) == 998 and all(re.fullmatch(bar + " *", each) for each in lines)
        assert blank == " " * len(lines[-1].rstrip()) and end == ""
    else:  # now and then
        lines = said.splitlines()
        assert len(lines) == 1 and re.fullmatch(line.format(""), lines[0])
