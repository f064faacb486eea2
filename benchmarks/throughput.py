"""Training and sampling as fast as the device allows, in batches that double until memory ends.

Run by `benchmarks.accelerator`, one configuration a process: the first allocation that fails ends
it, and none of its leftovers are in the next one's way. Needs JAX, NumPy and Keras alone.
"""

import argparse
import itertools
import json
import time

from benchmarks import settings
from benchmarks.subprocesses import say
from benchmarks.utilisation import training_tflop

WARM_UP = 2


def device() -> dict:
    """The first device: `"platform"` and `"device_kind"`."""
    import jax

    first = jax.local_devices()[0]
    return {"platform": first.platform, "device_kind": first.device_kind}


def batches(first: int, largest: int):
    """`first`, twice that, and so on, up to `largest`."""
    return itertools.takewhile(lambda size: size <= largest, (first << i for i in range(40)))


def training(setting, variant: str, flash: bool, sizes, steps: int):
    """Steps one after the other on the same tokens, which lie on the device.

    Args:
        setting: a `settings.Setting` of a transformer.
        variant: str, of `settings.VARIANTS`.
        flash: bool, whether Keras may take its flash attention.
        sizes: batch sizes, ascending.
        steps: int, timed steps.

    Yields:
        dictionary for each batch; the last has `"fits": False` where it did not.
    """
    import jax
    import keras
    import numpy as np

    if flash:
        keras.config.enable_flash_attention()
    else:
        keras.config.disable_flash_attention()
    keras.utils.set_random_seed(0)
    # Flash attention has no dropout of the attention's probabilities; both ways do without.
    model = setting.build(variant, attention_dropout=False, dtype="mixed_bfloat16")
    state = tuple([v.value for v in group] for group in settings.step_variables(model))
    step = jax.jit(model.train_step, donate_argnums=0)
    for size in sizes:
        shape = (size, *setting.data_shape)
        tokens = np.random.default_rng(0).integers(0, model.mask_token, shape).astype("int32")

        def run(count, state, data):
            logs = None
            for _ in range(count):
                logs, state = step(state, data)
            jax.block_until_ready((logs, state))
            return state

        def timed(tokens=tokens, run=run):
            nonlocal state
            data = (jax.device_put(tokens),)
            state = run(WARM_UP, state, data)
            start = time.perf_counter()
            state = run(steps, state, data)
            return (time.perf_counter() - start) / steps

        seconds = if_it_fits(timed)
        if seconds is None:
            yield {"batch": size, "fits": False}
            return
        yield {
            "batch": size,
            "fits": True,
            "seconds": seconds,
            "tokens_per_second": tokens.size / seconds,
            "peak_gb": device_peak_gb(),
            "model_tflop": training_tflop(model.network, size),
            "model_tflop_full_head": training_tflop(model.network, size, head_fraction=1.0),
        }


def sampling(setting, sampler: str, sizes, num_steps: int):
    """Whole `generate` calls, each timed at its second run with the same noise.

    The network calls are counted in a run of their own: the compiled loop does not tell them.

    Args:
        setting: a `settings.Setting`.
        sampler: str.
        sizes: numbers of samples, ascending.
        num_steps: int, of the reverse process.

    Yields:
        dictionary for each number of samples; the last has `"fits": False` where it did not.
    """
    model = setting.build(dtype="mixed_bfloat16")
    for size in sizes:

        def timed(size=size):
            for _ in range(2):  # the first compiles
                start = time.perf_counter()
                x = model.generate(size, sampler=sampler, num_steps=num_steps)
            seconds = time.perf_counter() - start
            *_, last = model.sample_steps(size, sampler=sampler, num_steps=num_steps)
            return seconds, last.calls, x.size

        result = if_it_fits(timed)
        if result is None:
            yield {"batch": size, "fits": False}
            return
        seconds, calls, tokens = result
        yield {
            "batch": size,
            "fits": True,
            "steps": num_steps,
            "network_calls": calls,
            "seconds": seconds,
            "samples_per_second": size / seconds,
            "tokens_per_second": tokens / seconds,
            "peak_gb": device_peak_gb(),
        }


def if_it_fits(function):
    """What the function returns, or `None` if the device's memory did not suffice."""
    import jax

    try:
        return function()
    except jax.errors.JaxRuntimeError as error:
        message = str(error)
        if "RESOURCE_EXHAUSTED" in message or "out of memory" in message.lower():
            return None
        raise


def device_peak_gb() -> float | None:
    """The most memory in use on the device so far, GB (1e9); `None` where JAX does not know."""
    import jax

    found = jax.local_devices()[0].memory_stats()
    return found["peak_bytes_in_use"] / 1e9 if found else None


def main():
    parser = argparse.ArgumentParser(description="One configuration on the accelerator.")
    parser.add_argument("kind", choices=("device", "training", "sampling"))
    parser.add_argument("arguments", type=json.loads, help="JSON dictionary", default={}, nargs="?")
    options = parser.parse_args()
    if options.kind == "device":
        return say(device())
    arguments = options.arguments
    setting = settings.get(arguments.pop("setting"), arguments.pop("tiny"))
    sizes = batches(*arguments.pop("sizes"))
    measure = {"training": training, "sampling": sampling}[options.kind]
    for result in measure(setting, sizes=sizes, **arguments):
        say(result)


if __name__ == "__main__":
    main()
