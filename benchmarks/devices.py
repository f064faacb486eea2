"""Memory of a device where several share a training step (JAX, compiled for the CPU, not run).

For each layout (`md4keras.distribution`) the largest batch of all devices together that fits their
memory: weights, averages and the optimiser's state (`state_gb`), and what the step needs besides
(`temporary_gb`), of one device, in 1e9 bytes, by XLA's figures as in `compiled`. `published` is the
largest batch of the published code, as its authors tell. Batches are multiples of the devices.
"""

import argparse
import functools
import itertools
import os

from benchmarks import settings
from benchmarks.compiled import FLAG
from benchmarks.subprocesses import Measurement, say
from train import imagenet64, openwebtext


def _setting(recipe, vocabulary_size: int) -> settings.Setting:
    """A published recipe's model, with its schedule left out, which takes no memory."""
    return settings.Setting(
        recipe.complete()["model"],
        recipe.complete()["network"],
        settings.recipe_network(recipe, vocabulary_size),
        batch_size=1,  # not used: batches are looked for
        optimizer=settings.recipe_optimizer(recipe),
    )


DEVICES = 8
MODELS = {
    "MD4-S": _setting(openwebtext.RECIPE, 50257),
    "MD4-M": _setting(openwebtext.MEDIUM, 50257),
    "ImageNet 64": _setting(imagenet64.RECIPE, 256),
}
PUBLISHED = {("MD4-S", 16): 32, ("MD4-S", 40): 128}  # batches that fit eight devices
LAYOUTS = ("data", "sharded")


def add_arguments(parser) -> None:
    add = parser.add_argument
    names = ", ".join(MODELS)
    add("--models", nargs="+", choices=MODELS, default=list(MODELS), help=f"of {names}")
    add("--layouts", nargs="+", choices=LAYOUTS, default=LAYOUTS, help="of data, sharded")
    add("--memory", nargs="+", type=int, default=[16, 40], help="GB of a device (default: 16 40)")


def rows(options):
    """A row for each model, layout and size of memory."""
    for name in options.models:
        for layout in options.layouts:
            step = functools.cache(functools.partial(measure, name, layout, tiny=options.tiny))
            for memory in options.memory:
                rows = most_rows(step, memory)
                row = {"model": name, "layout": layout, "device_gb": memory}
                row |= {"batch": DEVICES * rows, "published": PUBLISHED.get((name, memory))}
                yield row | (step(rows) if rows else {"state_gb": step(1)["state_gb"]})


def most_rows(step, memory: float) -> int:
    """The most rows of a device that fit its memory, 0 for none.

    From some rows on the memory grows evenly with them, so the line through the last two
    measurements tells where to look next.

    Args:
        step: function of the rows of a device that returns what `measure` does.
        memory: float, of a device in 1e9 bytes.
    """
    fits, fits_not, rows, found = 0, None, 4, []
    while fits_not != fits + 1:
        cost = step(rows)
        needed = cost["state_gb"] + cost["temporary_gb"]
        found.append((rows, needed))
        fits, fits_not = (rows, fits_not) if needed <= memory else (fits, rows)
        rows = _crossing(*found[-2:], memory) if len(found) > 1 else 2 * rows
        rows = min(max(rows, fits + 1), 4 * fits if fits_not is None else fits_not - 1)
    return fits


def _crossing(first: tuple, second: tuple, memory: float) -> int:
    """The rows at which the line through two pairs of rows and memory has that memory."""
    slope = (second[1] - first[1]) / (second[0] - first[0])
    return int(second[0] + (memory - second[1]) / slope) if slope > 0 else 2 * second[0]


def measure(model: str, layout: str, rows: int, devices: int = DEVICES, tiny=False) -> dict:
    """Compiles a training step in a process of its own.

    Args:
        model: str, one of `MODELS`.
        layout: str, one of `LAYOUTS`.
        rows: int, examples of a device.
        devices: int; 1 is a step without a layout.
        tiny: bool, another model, which is compiled in seconds.

    Returns:
        dictionary with `"state_gb"` and `"temporary_gb"` of one device, floats.
    """
    simulated = f"--xla_force_host_platform_device_count={devices}"
    flags = " ".join(filter(None, [os.environ.get("XLA_FLAGS"), FLAG, simulated]))
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    arguments = [model, layout, str(rows), str(devices), *(["--tiny"] if tiny else [])]
    with Measurement("benchmarks.devices", *arguments, environment=environment) as measurement:
        return measurement.answer()


def compile_step(setting, layout: str, rows: int, devices: int):
    """A training step of several devices, compiled for shapes alone."""
    import jax
    import keras

    import md4keras

    model = setting.build()  # on one device: the weights' shapes are all that counts
    split, lies = None, None
    if devices > 1:
        distribution = md4keras.distribution.get(layout, devices)
        keras.distribution.set_distribution(distribution)
        lies = distribution.get_variable_layout
        split = distribution.get_data_layout((1, *setting.data_shape)).backend_layout
        for variable in model.trainable_variables:
            variable._layout = lies(variable)  # as it has where it is made under a distribution

    def shape_of(variable):
        sharding = lies(variable).backend_layout if lies else None
        return jax.ShapeDtypeStruct(variable.shape, variable.dtype, sharding=sharding)

    groups = settings.step_variables(model)
    state = tuple(list(map(shape_of, group)) for group in groups)
    for variable in itertools.chain(*groups):
        variable.value.delete()  # four times the weights of MD4-M, of this machine's memory
    shape = (rows * devices, *setting.data_shape)
    x = jax.ShapeDtypeStruct(shape, "int32", sharding=split)
    after = (None, jax.tree.map(lambda value: value.sharding, state)) if lies else None
    step = jax.jit(model.train_step, donate_argnums=0, out_shardings=after)
    return step.lower(state, (x,)).compile()


def main():
    parser = argparse.ArgumentParser(description=measure.__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("layout", choices=LAYOUTS)
    parser.add_argument("rows", type=int)
    parser.add_argument("devices", type=int)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    setting = settings.get("md4_owt", True) if options.tiny else MODELS[options.model]
    compiled = compile_step(setting, options.layout, options.rows, options.devices)
    memory = compiled.memory_analysis()
    say(
        {
            "state_gb": memory.argument_size_in_bytes / 1e9,
            "temporary_gb": memory.temp_size_in_bytes / 1e9,
        }
    )


if __name__ == "__main__":
    main()
