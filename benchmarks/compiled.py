"""Memory and arithmetic of one compiled step, without running it (JAX, on the CPU).

The step is a whole training step with its optimiser, or one step of sampling. Temporary memory is
XLA's figure for what the program needs besides its arguments and results, with the operations in
the order of least memory; the arithmetic is XLA's count with loops multiplied out. The vocabulary
head runs over the masked positions in chunks; half of all positions are masked on average.
"""

import argparse
import math
import os

from benchmarks import settings
from benchmarks.hlo_cost import Program
from benchmarks.subprocesses import Measurement, say

# The other scheduler trades memory for parallelism, differently from one machine to the next.
FLAG = "--xla_cpu_enable_concurrency_optimized_scheduler=false"


def add_arguments(parser) -> None:
    """This table takes no options of its own."""


def rows(options):
    """One row for each setting and variant."""
    for name in options.settings or settings.SETTINGS:
        for variant in settings.SAMPLERS if name == "sampling_step" else options.variants:
            published = settings.get(name, options.tiny).published
            cost = measure(name, variant, options.tiny)
            row = {"setting": name, "variant": variant, **cost}
            if published:
                row |= {
                    "published_gb": published.temporary_gb,
                    "published_gflop": published.gflop,
                    "memory_of_published": cost["temporary_gb"] / published.temporary_gb,
                    "gflop_of_published": cost["gflop"] / published.gflop,
                }
            yield row


def measure(setting: str, variant: str, tiny: bool = False) -> dict:
    """Compiles one step in a process of its own.

    Args:
        setting: str, a name of `settings.SETTINGS`.
        variant: str, of `settings.VARIANTS`; of `settings.SAMPLERS` for `"sampling_step"`.
        tiny: bool, see `settings.get`.

    Returns:
        dictionary with `"temporary_gb"` (1e9 bytes) and `"gflop"` (1e9 operations), floats, and
        `"head_turns"`, the turns that the head's loop was counted with, or `None` without one.
    """
    flags = " ".join(filter(None, [os.environ.get("XLA_FLAGS"), FLAG]))
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    tiny = ["--tiny"] if tiny else []
    with Measurement(
        "benchmarks.compiled", setting, variant, *tiny, environment=environment
    ) as measurement:
        return measurement.answer()


def compile_training_step(setting, variant: str):
    """One training step of the setting, compiled for shapes alone."""
    import jax

    model = setting.build(variant)
    state = tuple(
        [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in group]
        for group in settings.step_variables(model)
    )
    x = jax.ShapeDtypeStruct((setting.batch_size, *setting.data_shape), "int32")
    return jax.jit(model.train_step, donate_argnums=0).lower(state, (x,)).compile()


def compile_sampling_step(setting, sampler: str):
    """One network call of sampling and what follows from it, compiled."""
    import jax
    import keras
    import numpy as np

    from md4keras.models.generation import Settings
    from md4keras.samplers.states import Start

    model = setting.build()
    how = Settings(sampler, settings.SAMPLING_STEPS, settings.TIME_GRID, 1.0, 0, 1.0)
    process = how.sampler.make_process(model)
    z = np.full((setting.batch_size, *setting.data_shape), model.mask_token, "int32")
    run = process.prepare(Start(z, None, np.ones(len(z), "float32")), how)
    variables = model.network.variables

    def step(values, run, state):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return process.advance(run, state)

    values = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in variables]
    return jax.jit(step).lower(values, run, process.first_state(z)).compile()


def cost_of(compiled, setting) -> dict:
    """What `measure` returns, of a compiled step of a setting."""
    program = Program(compiled.as_text())
    chunk = program.chunk_rows(setting.width, setting.arguments["vocabulary_size"])
    if chunk is None and program.dynamic_products():
        raise ValueError(
            "A loop of unknown length multiplies matrices, but makes no logits. Expected that of "
            f"the vocabulary head alone. Received: {program.dynamic_products()[0]}. Give the loop "
            "a fixed length, or teach this table to count its turns."
        )
    turns = 1 if chunk is None else math.ceil(0.5 * setting.tokens / chunk)
    flops = compiled.cost_analysis()["flops"] + program.further_flops(turns)
    return {
        "temporary_gb": compiled.memory_analysis().temp_size_in_bytes / 1e9,
        "gflop": flops / 1e9,
        "head_turns": None if chunk is None else turns,
    }


def main():
    parser = argparse.ArgumentParser(description=measure.__doc__.splitlines()[0])
    parser.add_argument("setting", choices=settings.SETTINGS)
    parser.add_argument("variant")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    setting = settings.get(options.setting, options.tiny)
    sampling = options.setting == "sampling_step"
    compiled = (compile_sampling_step if sampling else compile_training_step)(
        setting, options.variant
    )
    say(cost_of(compiled, setting))


if __name__ == "__main__":
    main()
