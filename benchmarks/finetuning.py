"""Memory of fine-tuning LLaDA-8B with LoRA (JAX, compiled for the CPU without weights, not run).

Adapters of rank 8 beside all products of the blocks, weights in bfloat16 (the head's, in which
logits are computed, in float32), AdamW, whole blocks recomputed. `weights_gb`, `adapters_gb` and
`optimizer_gb` are counted; `temporary_gb` is XLA's figure, as in `compiled`, for what the step
needs besides: compiled with few layers, and continued along a straight line to all (`layers`;
the table fails unless three points lie on it). Attention forms its weights, `heads length length`,
which fused attention on a GPU does not. All in 1e9 bytes.
"""

import argparse
import math
import os

from benchmarks import settings
from benchmarks.compiled import FLAG
from benchmarks.subprocesses import Measurement, say

LLADA_8B = {
    "vocabulary_size": 126463,  # and the mask
    "num_layers": 32,
    "num_heads": 32,
    "hidden_dim": 4096,
    "intermediate_dim": 12288,
    "num_key_value_heads": 32,
    "rope_max_wavelength": 500_000.0,
}
TINY = {
    **LLADA_8B,
    "vocabulary_size": 40,
    "num_heads": 2,
    "num_key_value_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
}
RANK = 8
LAYERS = (4, 8, 12)
"""How many are compiled. With fewer the peak lies elsewhere: in the head, or in the first block."""
OFF_THE_LINE = 0.01
"""The part of the memory by which the third point may miss the line through the first two."""
DEVICES = (24, 40, 80)
TEXTS = ("1 x 1024", "1 x 2048", "1 x 4096")


def add_arguments(parser) -> None:
    parser.add_argument(
        "--texts",
        nargs="+",
        default=list(TEXTS),
        metavar="'B x L'",
        help=f"texts of a batch, and tokens of a text (default: {', '.join(TEXTS)})",
    )


def rows(options):
    """A row for each batch."""
    for batch in options.texts:
        size, length = map(int, batch.split("x"))
        points = [measure(layers, size, length, options.tiny) for layers in LAYERS]
        yield {"batch": batch, "layers": f"{LAYERS} to {LLADA_8B['num_layers']}", **whole(points)}


def whole(points: list[dict]) -> dict:
    """The memory of all layers, from that of a few.

    Args:
        points: list of what `measure` returns for each of `LAYERS`.

    Returns:
        dictionary with the same entries, `"total_gb"`, and `"fits_gb"`, the smallest of `DEVICES`.

    Raises:
        RuntimeError: if the points do not lie on a line.
    """
    found = {name: _continued(name, [point[name] for point in points]) for name in points[0]}
    total = sum(found.values())
    fits = next((memory for memory in DEVICES if total <= memory), None)
    return {**found, "total_gb": total, "fits_gb": fits}


def _continued(name: str, values: list[float]) -> float:
    first, second, third = LAYERS
    slope = (values[1] - values[0]) / (second - first)
    expected = values[1] + slope * (third - second)
    if abs(values[2] - expected) > OFF_THE_LINE * values[2]:
        raise RuntimeError(
            f"Memory does not grow evenly with the layers. Expected {name}={expected:.4g} with "
            f"{third} layers, on the line through those before. Received: {values[2]:.4g}. "
            "Compile more layers."
        )
    slope = (values[2] - values[0]) / (third - first)
    return values[2] + slope * (LLADA_8B["num_layers"] - third)


def measure(layers: int, rows: int, length: int, tiny: bool = False) -> dict:
    """Compiles a training step in a process of its own.

    Args:
        layers: int, how many of the model's.
        rows: int, texts of a batch.
        length: int, tokens of a text.
        tiny: bool, another width, which is compiled in seconds.

    Returns:
        dictionary with `"weights_gb"`, `"adapters_gb"`, `"optimizer_gb"` and `"temporary_gb"`.
    """
    flags = " ".join(filter(None, [os.environ.get("XLA_FLAGS"), FLAG]))
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    arguments = [str(layers), str(rows), str(length), *(["--tiny"] if tiny else [])]
    with Measurement("benchmarks.finetuning", *arguments, environment=environment) as measurement:
        return measurement.answer()


def model_without_numbers(arguments: dict):
    """A compiled model with adapters, whose variables have shapes alone."""
    import keras

    import md4keras

    optimizer = keras.optimizers.AdamW(1e-4)  # outside: its rate has a value
    with keras.StatelessScope(initialize_variables=False):
        network = md4keras.networks.Llama(**arguments, remat="full", dtype="bfloat16")
        model = md4keras.MD4(network, seed=0)
        model.enable_lora(RANK)
        model.compile(optimizer)
        optimizer.build(model.trainable_variables)
    return model


def main():
    import jax

    parser = argparse.ArgumentParser(description=measure.__doc__.splitlines()[0])
    for name in ("layers", "rows", "length"):
        parser.add_argument(name, type=int)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    sizes = {"num_layers": options.layers, "sequence_length": options.length}
    model = model_without_numbers({**(TINY if options.tiny else LLADA_8B), **sizes})
    state = [
        [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in group]
        for group in settings.step_variables(model)
    ]
    x = jax.ShapeDtypeStruct((options.rows, options.length), "int32")
    step = jax.jit(model.train_step, donate_argnums=0).lower(tuple(state), (x,)).compile()
    adapters, weights, optimizer, _ = (
        sum(math.prod(each.shape) * each.dtype.itemsize for each in group) / 1e9 for group in state
    )
    say(
        {
            "weights_gb": weights,
            "adapters_gb": adapters,
            "optimizer_gb": optimizer,
            "temporary_gb": step.memory_analysis().temp_size_in_bytes / 1e9,
        }
    )


if __name__ == "__main__":
    main()
