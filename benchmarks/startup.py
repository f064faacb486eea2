"""Waiting times of a user: `import md4keras`, and 64 digits from a saved model.

Each import is timed in a process of its own, from the statement to its end; the peak memory is
that of the whole process. `generate` is timed under the backend in use, once with its compilation
and then without; with `--model` alone. Values: median and range.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import ROOT

IMPORT = """
import time
start = time.perf_counter()
import md4keras
seconds = time.perf_counter() - start
from benchmarks.machine import peak_gb
print(seconds, 1e3 * peak_gb())
"""


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("--model", type=Path, help="a saved digits model; without it, imports only")
    add("--digit-steps", type=int, default=64, help="of drawing the digits (default: 64)")


def rows(options):
    """One row for each thing that is waited for."""
    seconds, megabytes = import_times(options.runs)
    yield {"what": "`import md4keras`, s", "backend": "jax", "values": seconds}
    yield {"what": "`import md4keras`, peak MB", "backend": "jax", "values": megabytes}
    if options.model:
        yield from generate_rows(options.model, options.runs, options.digit_steps)


def import_times(runs: int) -> tuple[list[float], list[float]]:
    """Seconds and peak megabytes of `import md4keras` under JAX, in fresh processes."""
    environment = {**os.environ, "KERAS_BACKEND": "jax"}

    def printed():
        return subprocess.run(
            [sys.executable, "-c", IMPORT],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    printed()  # fills the disk's caches
    pairs = [tuple(map(float, printed().split())) for _ in range(runs)]
    seconds, megabytes = map(list, zip(*pairs, strict=True))
    return seconds, megabytes


def generate_rows(folder: Path, runs: int, steps: int):
    """Seconds for 64 digits, class by class: compiled, and step by step as the app draws them."""
    import keras
    import numpy as np

    import md4keras

    model = md4keras.load_model(folder)
    labels = np.arange(64) % 10
    ways = {
        "": lambda seed: model.generate(64, labels, num_steps=steps, seed=seed),
        ", step by step": lambda seed: [
            *model.sample_steps(64, labels, num_steps=steps, seed=seed)
        ],
    }
    for way, draw in ways.items():
        seconds = []
        for seed in range(1 + runs):
            start = time.perf_counter()
            draw(seed)
            seconds.append(time.perf_counter() - start)
        for when, values in (("first call", seconds[:1]), ("later calls", seconds[1:])):
            yield {
                "what": f"`generate`, 64 digits, {steps} steps{way}, {when}, s",
                "backend": keras.backend.backend(),
                "values": values,
                "parameters": model.network.count_params(),
            }
