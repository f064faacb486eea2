"""The cost of attention within documents, where several share a row (JAX, on the CPU).

One training step of packed rows against one of joined rows of the same documents: seconds, timed
alternately, and of those of all cores that were at work (`busy`, which other programs lengthen
less), and XLA's figure for the temporary memory of the compiled step, as in `compiled`. The mask
that says which tokens share a document has `mask_gb`. MD4-S with fewer layers, narrower ones
and a vocabulary of 8,192, so that the head's share hides less of the difference.
"""

import argparse
import dataclasses
import functools
import os
import statistics
import time

from benchmarks import settings
from benchmarks.compiled import FLAG
from benchmarks.input import END_TOKEN, document_lengths
from benchmarks.paired import alternate, ratios, serve
from benchmarks.subprocesses import Measurement

WAYS = ("joined", "packed")
LAYERS = {"4 x 256": (4, 4), "8 x 512": (8, 8)}  # by layers x width: layers, heads


def get(name: str, tiny: bool = False) -> settings.Setting:
    """A setting by its layers and width, one of `LAYERS`; `tiny` as of `settings.get`."""
    setting = settings.get("md4_owt", tiny)
    if tiny:
        return setting
    layers, heads = LAYERS[name]
    own = {"vocabulary_size": 8192, "num_layers": layers, "num_heads": heads}
    return dataclasses.replace(setting, arguments={**setting.arguments, **own}, published=None)


def add_arguments(parser) -> None:
    sizes = {"nargs": "+", "choices": LAYERS, "default": list(LAYERS), "metavar": "SIZE"}
    parser.add_argument("--sizes", **sizes, help=f"of {', '.join(map(repr, LAYERS))}")


def rows(options):
    """Two rows for each size."""
    flags = " ".join(filter(None, [os.environ.get("XLA_FLAGS"), FLAG]))
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    tiny = ["--tiny"] if options.tiny else []
    for name in options.sizes:
        setting = get(name, options.tiny)
        starters = [
            functools.partial(
                Measurement, "benchmarks.packed", name, way, *tiny, environment=environment
            )
            for way in WAYS
        ]
        joined, packed = alternate(starters, options.runs)
        for way, here in zip(WAYS, (joined, packed), strict=True):
            seconds = [answer["seconds"] for answer in here]
            row = {
                "layers x width": name,
                "batch": f"{setting.batch_size} x {setting.data_shape[0]}",
                "rows": way,
                "seconds": seconds,
                "busy": [answer["busy"] for answer in here],
                "tokens_per_second": setting.tokens / statistics.median(seconds),
                "temporary_gb": here[0]["temporary_gb"],
            }
            if here is packed:
                row["mask_gb"] = setting.tokens * setting.data_shape[0] / 1e9  # bool [B, L, L]
                row["ratio"] = ratios(packed, joined)
                row["busy_ratio"] = ratios(packed, joined, "busy")
                row["memory_ratio"] = here[0]["temporary_gb"] / joined[0]["temporary_gb"]
            yield row


def batch(setting, way: str) -> dict:
    """The first batch of rows of random documents, as `fit` takes it."""
    import numpy as np

    from md4keras.data import Rows

    draw, values = np.random.default_rng(0), setting.arguments["vocabulary_size"]
    (length,) = setting.data_shape
    lengths = np.minimum(document_lengths(16 * setting.batch_size), length - 1)
    documents = [draw.integers(0, values - 1, each) for each in lengths]
    made = Rows(way, length, end_token_id=min(END_TOKEN, values - 1))
    return next(iter(made.batches(documents, setting.batch_size, training=True)))


class Step:
    """A model and a batch of rows; each call is one training step.

    Args:
        setting: a `settings.Setting`.
        way: str, of `WAYS`.
    """

    def __init__(self, setting, way: str):
        import jax

        model = setting.build()
        self.state = tuple([v.value for v in group] for group in settings.step_variables(model))
        self.data = (jax.device_put(batch(setting, way)),)
        step = jax.jit(model.train_step, donate_argnums=0)
        self.step = step.lower(self.state, self.data).compile()

    def __call__(self) -> dict:
        """Takes a step: its `"seconds"`, the processor's `"busy"` ones and the `"loss"`, and the
        program's `"temporary_gb"`.
        """
        import jax

        start, busy = time.perf_counter(), time.process_time()
        logs, self.state = self.step(self.state, self.data)
        jax.block_until_ready((logs, self.state))
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        temporary = self.step.memory_analysis().temp_size_in_bytes / 1e9
        loss = float(logs["loss"])
        return {"seconds": seconds, "busy": busy, "loss": loss, "temporary_gb": temporary}


def main():
    parser = argparse.ArgumentParser(description=Step.__doc__.splitlines()[0])
    parser.add_argument("size", choices=LAYERS)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    serve(Step(get(options.size, options.tiny), options.way))


if __name__ == "__main__":
    main()
