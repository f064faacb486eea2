"""Network calls and seconds of whole `generate` calls: event-driven sampling against ancestral.

The two samplers are timed alternately, each in a process of its own, with the network untrained
(the number of calls does not depend on it, and is counted in a run of its own); `ratio` is that of
the two runs beside each other. One untimed run comes first. Nothing is extrapolated: at MD4-S's
size so few steps are taken that the samplers save each other few calls, only logits.
"""

import argparse
import dataclasses
import functools
import statistics
import time

from benchmarks import settings
from benchmarks.machine import peak_gb
from benchmarks.paired import alternate, ratios, serve
from benchmarks.subprocesses import Measurement
from md4keras.checks import check_name


@dataclasses.dataclass(frozen=True)
class Size:
    """A model to sample from, and the steps of its reverse process."""

    setting: settings.Setting
    num_steps: int


_SMALL = dict(
    vocabulary_size=27,
    sequence_length=256,
    num_layers=4,
    num_heads=4,
    feature_dim=32,
    time_features="none",
)
SIZES = {
    "4 layers x 128": Size(settings.Setting("MD4", "Transformer", _SMALL, batch_size=4), 1000),
    "MD4-S": Size(settings.SAMPLING_STEP, 16),
}


def add_arguments(parser) -> None:
    """This table takes no options of its own."""


def rows(options):
    """One row for each size and sampler."""
    for name in SIZES:
        size = get(name, options.tiny)
        tiny = ["--tiny"] if options.tiny else []
        starters = [
            functools.partial(Measurement, "benchmarks.sampling", name, each, *tiny)
            for each in settings.SAMPLERS
        ]
        answers = alternate(starters, options.runs)
        for sampler, here in zip(settings.SAMPLERS, answers, strict=True):
            seconds = [answer["seconds"] for answer in here]
            row = {
                "network": name,
                "samples": size.setting.batch_size,
                "positions": size.setting.tokens // size.setting.batch_size,
                "steps": size.num_steps,
                "sampler": sampler,
                "network_calls": here[0]["network_calls"],
                "seconds": seconds,
                "tokens_per_second": size.setting.tokens / statistics.median(seconds),
                "peak_gb": max(answer["peak_gb"] for answer in here),
            }
            if here is not answers[0]:
                row["ratio"] = ratios(here, answers[0])
            yield row


def get(name: str, tiny: bool = False) -> Size:
    """A size by its name; with `tiny`, one that takes seconds."""
    check_name("size", name, SIZES)
    return Size(settings.get("sampling_step", tiny=True), 4) if tiny else SIZES[name]


class Generation:
    """A model to sample from; each call draws the same samples.

    Args:
        size: a `Size`.
        sampler: str.
    """

    def __init__(self, size: Size, sampler: str):
        self.model = size.setting.build()
        self.arguments = {
            "num_samples": size.setting.batch_size,
            "sampler": sampler,
            "num_steps": size.num_steps,
        }
        *_, last = self.model.sample_steps(**self.arguments)  # the compiled loop counts nothing
        self.network_calls = last.calls

    def __call__(self) -> dict:
        """Draws; `"seconds"`, `"network_calls"` and `"peak_gb"` of the process so far."""
        start = time.perf_counter()
        self.model.generate(**self.arguments)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "network_calls": self.network_calls, "peak_gb": peak_gb()}


def main():
    parser = argparse.ArgumentParser(description=Generation.__doc__.splitlines()[0])
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("sampler", choices=settings.SAMPLERS)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    serve(Generation(get(options.size, options.tiny), options.sampler))


if __name__ == "__main__":
    main()
