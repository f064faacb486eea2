"""A recipe in two processes: one signal ends both, they go on together, and nothing is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import md4keras
from tests.reference import ROOT

pytestmark = [pytest.mark.one_backend, pytest.mark.slow]

SETTINGS = ["network.num_layers=0", "network.feature_dim=64", "sampling.num_steps=2"]
COMMAND = ["-m", "train.digits", "--steps", "60", "--interval", "30", "--batch-size", "10"]


def start(folder, number, address, *arguments):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "KERAS_BACKEND": "jax"}
    of_all = ["--processes", "2", "--process", str(number), "--coordinator", address]
    return subprocess.Popen(
        [
            sys.executable,
            *COMMAND,
            *of_all,
            "--output",
            str(folder),
            "--set",
            *SETTINGS,
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, **flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_both(folder, *arguments):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [start(folder, number, address, *arguments) for number in range(2)]


def end(processes) -> list[str]:
    """The output of the processes; those that are still there are killed."""
    try:
        outputs = [process.communicate(timeout=600) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [output + errors for output, errors in outputs]


def test_one_signal_ends_both_and_they_go_on_together(tmp_path):
    processes = start_both(tmp_path / "whole")
    said = end(processes)
    assert [process.returncode for process in processes] == [0, 0], said
    assert "On 4 devices" in said[0] and "bits per dimension" not in said[1]

    processes = start_both(tmp_path / "run", "checkpoint.every=5")
    states, deadline = tmp_path / "run" / "training_states", time.monotonic() + 300
    while not (states / "step_0000000005").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    said = end(processes)
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2, said
    assert "stopped after step" in said[0]

    processes = start_both(tmp_path / "run", "checkpoint.every=5", "--resume")
    said = end(processes)
    assert [process.returncode for process in processes] == [0, 0], said
    rows = [json.loads((tmp_path / n / "history.json").read_text()) for n in ("whole", "run")]
    for one, other in zip(*rows, strict=True):
        for name in one.keys() - {"seconds", "tokens_per_second"}:
            assert other[name] == one[name], name
    weights = [md4keras.load_model(tmp_path / n / "model").get_weights() for n in ("whole", "run")]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(other, one)
