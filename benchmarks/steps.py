"""Seconds, tokens per second and peak memory of whole training steps, on any backend.

Two variants are timed alternately, each in a process of its own; `ratio` is that of the two steps
beside each other. The peak is of the process's main memory, with the weights, the optimiser's
three copies of them, and what compiling took. One untimed step comes first.
"""

import argparse
import functools
import os
import statistics
import time

from benchmarks import settings
from benchmarks.machine import peak_gb
from benchmarks.paired import alternate, ratios, serve
from benchmarks.subprocesses import Measurement
from md4keras.checks import check_name

PAIRS = [["dense", "activations"], ["dense", "full"]]


def add_arguments(parser) -> None:
    add = parser.add_argument
    add(
        "--pair",
        nargs=2,
        action="append",
        metavar=("A", "B"),
        help=f"two of {', '.join(settings.VARIANTS)}, timed alternately; can be given several "
        "times, and both may be the same (default: dense with each other one)",
    )
    add(
        "--backends",
        nargs="+",
        choices=("jax", "tensorflow", "torch"),
        help="one after the other (default: KERAS_BACKEND)",
    )
    add(
        "--apart",
        action="store_true",
        help="start each measurement anew, where two models do not fit into memory (dense MD4-S: "
        "17 GB); slower, as each compiles",
    )
    add("--scale", type=float, default=1.0, help="part of the layers that is kept (default: 1)")


def rows(options):
    """Two rows for each setting, backend and pair."""
    for name in settings.TRAINING:
        if name not in (options.settings or settings.TRAINING):
            continue
        for backend in options.backends or [os.environ["KERAS_BACKEND"]]:
            for pair in options.pair or PAIRS:
                yield from pair_rows(name, backend, pair, options)


def pair_rows(name: str, backend: str, pair, options):
    """A row for each variant of the pair."""
    whole = settings.get(name, options.tiny)
    setting = whole.scaled(options.scale)
    arguments = ["--scale", str(options.scale), *(["--tiny"] if options.tiny else [])]
    for variant in pair:
        check_name("variant", variant, settings.VARIANTS)
    starters = [
        functools.partial(
            Measurement,
            "benchmarks.steps",
            name,
            variant,
            *arguments,
            environment={"KERAS_BACKEND": backend},
        )
        for variant in pair
    ]
    answers = alternate(starters, options.runs, options.apart)
    layers = [each.arguments["num_layers"] for each in (setting, whole)]
    for variant, here in zip(pair, answers, strict=True):
        seconds = [answer["seconds"] for answer in here]
        row = {
            "setting": name,
            "layers": f"{layers[0]} of {layers[1]}",
            "batch": setting.batch_size,
            "backend": backend,
            "variant": variant,
            "seconds": seconds,
            "tokens_per_second": setting.tokens / statistics.median(seconds),
            "peak_gb": max(answer["peak_gb"] for answer in here),
        }
        if here is not answers[0]:
            row |= {"against": pair[0], "ratio": ratios(here, answers[0])}
        yield row


class TrainingStep:
    """A model and a batch; each call is one training step.

    Args:
        setting: a `settings.Setting`.
        variant: str, of `settings.VARIANTS`.
    """

    def __init__(self, setting, variant: str):
        import numpy as np

        self.model = setting.build(variant)
        shape = (setting.batch_size, *setting.data_shape)
        values = setting.arguments["vocabulary_size"]
        self.x = np.random.default_rng(0).integers(0, values, shape).astype("int32")

    def __call__(self) -> dict:
        """Takes a step: its `"seconds"`, the processor's `"busy"` ones and the `"loss"`, and the
        `"peak_gb"` of the process so far.
        """
        start, busy = time.perf_counter(), time.process_time()
        logs = self.model.train_on_batch(self.x, return_dict=True)  # floats, so all is done
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        loss = float(logs["loss"])
        return {"seconds": seconds, "busy": busy, "loss": loss, "peak_gb": peak_gb()}


def main():
    parser = argparse.ArgumentParser(description=TrainingStep.__doc__.splitlines()[0])
    parser.add_argument("setting", choices=settings.TRAINING)
    parser.add_argument("variant", choices=settings.VARIANTS)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    setting = settings.get(options.setting, options.tiny).scaled(options.scale)
    serve(TrainingStep(setting, options.variant))


if __name__ == "__main__":
    main()
