"""The cost of training in blocks: a step of `BlockDiffusion` against one of `MD4`.

The same untrained DiT of 12 layers of width 768 (`--scale` keeps a part of the layers), at text8's
and OpenWebText's shapes. A step in blocks sees every text twice, `[noised ; clean]`. Seconds are
timed alternately; `busy` are the processor's seconds, of all cores together, which other programs
lengthen less; ratios are those of the two steps beside each other. On JAX also the arithmetic and
the temporary memory of the compiled step, as in `compiled`, which are the same on every machine.
"""

import argparse
import functools
import os

from benchmarks import compiled, settings
from benchmarks.paired import alternate, ratios, serve
from benchmarks.steps import TrainingStep
from benchmarks.subprocesses import Measurement, say

BLOCK = 16
WAYS = {"plain": ("MD4", {}), "in blocks": ("BlockDiffusion", {"block_size": BLOCK})}
SHAPES = {"text8": (27, 256, 32), "MD4-S": (50257, 1024, 4)}  # vocabulary, length, batch
NETWORK = {"num_layers": 12, "num_heads": 12, "hidden_dim": 768, "feature_dim": 128}
TINY = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "feature_dim": 8}


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="default: both")
    add("--count", action="store_true", help="of the steps, compile without running (JAX)")


def get(name: str, way: str, scale: float = 1.0, tiny: bool = False) -> settings.Setting:
    """The setting of a shape, one of `SHAPES`, and of `WAYS`; with a part of the layers."""
    vocabulary_size, length, batch_size = (27, 32, 2) if tiny else SHAPES[name]
    sizes = {"vocabulary_size": vocabulary_size, "sequence_length": length}
    model, own = WAYS[way]
    optimizer = settings.TRAINING["md4_owt"].optimizer
    network = {**sizes, **(TINY if tiny else NETWORK)}
    setting = settings.Setting(
        model, "DiT", network, batch_size, optimizer=optimizer, model_arguments=own
    )
    return setting.scaled(scale)


def rows(options):
    """Two rows for each shape and backend (`--backends` and `--scale`: as for `steps`)."""
    further = ["--scale", str(options.scale), *(["--tiny"] if options.tiny else [])]
    for name in options.shapes:
        if options.count:
            yield from count_rows(name, further)
            continue
        for backend in options.backends or [os.environ["KERAS_BACKEND"]]:
            yield from timed_rows(name, backend, further, options.runs)


def count_rows(name: str, further: list[str]):
    """What the two compiled steps take."""
    flags = " ".join(filter(None, [os.environ.get("XLA_FLAGS"), compiled.FLAG]))
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    found = {}
    for way in WAYS:
        arguments = "benchmarks.block_steps", name, way, "--count", *further
        with Measurement(*arguments, environment=environment) as measurement:
            found[way] = measurement.answer()
        row = {"shape": name, "step": way, **found[way]}
        if way != "plain":
            row["gflop_ratio"] = found[way]["gflop"] / found["plain"]["gflop"]
            row["memory_ratio"] = found[way]["temporary_gb"] / found["plain"]["temporary_gb"]
        yield row


def timed_rows(name: str, backend: str, further: list[str], runs: int):
    """The two steps, timed alternately."""
    environment = {"KERAS_BACKEND": backend}
    starters = [
        functools.partial(
            Measurement, "benchmarks.block_steps", name, way, *further, environment=environment
        )
        for way in WAYS
    ]
    answers = alternate(starters, runs)
    for way, here in zip(WAYS, answers, strict=True):
        row = {"shape": name, "backend": backend, "step": way}
        row |= {figure: [answer[figure] for answer in here] for figure in ("seconds", "busy")}
        if here is not answers[0]:
            row["ratio"] = ratios(here, answers[0])
            row["busy_ratio"] = ratios(here, answers[0], "busy")
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("shape", choices=SHAPES)
    add("way", choices=WAYS)
    add("--scale", type=float, default=1.0)
    add("--tiny", action="store_true")
    add("--count", action="store_true")
    options = parser.parse_args()
    setting = get(options.shape, options.way, options.scale, options.tiny)
    if options.count:
        step = compiled.compile_training_step(setting, "activations")
        say(compiled.cost_of(step, setting))
    else:
        serve(TrainingStep(setting, "activations"))


if __name__ == "__main__":
    main()
