"""Training and sampling throughput of MD4-S on an accelerator (JAX, bfloat16).

Batches double until one does not fit. `mfu` is the model's arithmetic a second over the device's
peak in dense bfloat16, with the vocabulary head counted at the masked half of the positions, as the
loss needs it; `mfu_full_head` counts it at all of them, as the usual 6 operations a parameter and
token do. Recomputed work counts in neither. Attention has no dropout, with flash attention or
without.
"""

import json

from benchmarks import settings
from benchmarks.subprocesses import Measurement
from benchmarks.utilisation import PEAK_TFLOPS, peak_tflops

# JAX takes three quarters of the device by default; one measurement runs at a time.
ENVIRONMENT = {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95"}


def add_arguments(parser) -> None:
    add = parser.add_argument
    add(
        "--flash",
        nargs="+",
        choices=("on", "off"),
        default=["on", "off"],
        help="flash attention (default: both)",
    )
    add("--batches", type=int, nargs=2, default=[8, 1024], metavar=("FIRST", "LARGEST"))
    add("--timed-steps", type=int, default=10, help="training steps (default: 10)")
    add("--sampling-batches", type=int, nargs=2, default=[1, 64], metavar=("FIRST", "LARGEST"))
    add("--sampling-steps", type=int, default=256, help="steps of sampling (default: 256)")
    add("--only", choices=("training", "sampling"), help="leave out the other")
    add("--peak-tflops", type=float, help="of a device that is not known, dense bfloat16")
    add("--allow-cpu", action="store_true", help="run without an accelerator, to try out")


def rows(options):
    """One row for each configuration and batch; where a batch did not fit, it says so.

    Raises:
        SystemExit: where there is no accelerator, or it is not known what it can do.
    """
    with Measurement("benchmarks.throughput", "device", environment=ENVIRONMENT) as measurement:
        device = measurement.answer()
    peak = options.peak_tflops or peak_tflops(device["device_kind"])
    check(device, peak, options)
    common = {"setting": "md4_owt", "tiny": options.tiny}
    if options.only != "sampling":
        for variant in options.variants:
            for flash in options.flash:
                arguments = {
                    **common,
                    "variant": variant,
                    "flash": flash == "on",
                    "sizes": options.batches,
                    "steps": options.timed_steps,
                }
                row = {"measured": "training", "device": device["device_kind"]}
                row |= {"variant": variant, "flash": flash}
                for result in measure("training", arguments):
                    yield row | utilisation(result, peak)
    if options.only != "training":
        for sampler in settings.SAMPLERS:
            arguments = {
                **common,
                "sampler": sampler,
                "sizes": options.sampling_batches,
                "num_steps": options.sampling_steps,
            }
            row = {"measured": "sampling", "device": device["device_kind"], "variant": sampler}
            for result in measure("sampling", arguments):
                yield row | result


def check(device: dict, peak: float | None, options) -> None:
    """Ends the program with a message where the device does not serve."""
    if options.allow_cpu:
        return
    if device["platform"] == "cpu":
        raise SystemExit(
            "JAX sees no accelerator. Expected a GPU, and JAX installed with its support for it, "
            f'such as `pip install "jax[cuda13]"`. Received: {device}. To try the command out on '
            "a CPU: --tiny --allow-cpu."
        )
    if peak is None:
        raise SystemExit(
            f"It is not known what the device can do. Expected one of {', '.join(PEAK_TFLOPS)}. "
            f"Received: {device['device_kind']!r}. Give its peak in dense bfloat16: --peak-tflops."
        )


def measure(kind: str, arguments: dict):
    """The results of one configuration, from a process of its own, as they come.

    If the process fails, a last one says how, and the table goes on: there is little time on a
    borrowed accelerator.
    """
    try:
        text = json.dumps(arguments)
        with Measurement(
            "benchmarks.throughput", kind, text, environment=ENVIRONMENT
        ) as measurement:
            yield from measurement.results()
    except RuntimeError as error:
        yield {"fits": False, "failed": str(error)}


def utilisation(result: dict, peak: float | None) -> dict:
    """The result with the part of the device's peak that it reached, where both are known.

    Args:
        result: dictionary of a training measurement.
        peak: float, 1e12 operations a second, or `None`.
    """
    if peak is None or not result["fits"]:
        return result
    return result | {
        "mfu": result["model_tflop"] / result["seconds"] / peak,
        "mfu_full_head": result["model_tflop_full_head"] / result["seconds"] / peak,
    }
