"""Seconds of drawing long texts in blocks: keys and values kept, or all computed again.

`BlockDiffusion.generate`, which keeps the keys and values of finished blocks, against
`MD4.generate(block_length=...)`, each call of which computes the whole row: the same untrained
network (one layer of width 1,024), and as many steps for each block. `busy` are the processor's
seconds, of all cores together, which other programs lengthen less; `growth` is `busy` over that of
the shortest text, medians both. One untimed run comes first.
"""

import argparse
import statistics

import md4keras
from benchmarks.machine import timed

BLOCK, STEPS = 64, 2
SIZES = {"num_layers": 1, "num_heads": 16, "hidden_dim": 1024}
LENGTHS = (512, 2048)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This table takes no options of its own."""


def rows(options):
    """A row for each length, with and without the cache."""
    lengths = (64, 128) if options.tiny else LENGTHS
    for name in ("kept", "computed again"):
        shortest = None
        for length in lengths:
            measured = [measure(name, length) for _ in range(1 + options.runs)][1:]
            busy = [each["busy"] for each in measured]
            shortest = shortest or statistics.median(busy)
            yield {
                "keys and values": name,
                "tokens": length,
                "block": BLOCK,
                "steps of a block": STEPS,
                "seconds": [each["seconds"] for each in measured],
                "busy": busy,
                "growth": statistics.median(busy) / shortest,
            }


_MODELS = {}


def measure(name: str, length: int) -> dict:
    """Seconds and busy seconds of drawing one text."""
    if not _MODELS:
        network = md4keras.networks.DiT(27, max(LENGTHS), **SIZES)
        _MODELS["kept"] = md4keras.BlockDiffusion(network, BLOCK)
        _MODELS["computed again"] = md4keras.MD4(network)
    model, how = _MODELS[name], {"num_steps": STEPS}
    if name != "kept":
        how = {"num_steps": STEPS * length // BLOCK, "block_length": BLOCK}
    return timed(lambda: model.generate(1, length=length, **how))
