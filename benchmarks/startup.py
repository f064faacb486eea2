"""What a user waits for: `import md4keras`, and 64 digits from a saved model.

    python benchmarks/startup.py --model runs/digits/model --json startup.json

Prints a Markdown table. Each import is timed in a process of its own, from the statement to its
end; the peak memory is that of the whole process. `generate` is timed under the backend that
KERAS_BACKEND names, once with its compilation and then `--runs` times without.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

IMPORT = """
import resource, sys, time
start = time.perf_counter()
import md4keras
seconds = time.perf_counter() - start
unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
"""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a saved digits model; without it, imports only")
    parser.add_argument("--runs", type=int, default=5, help="repetitions (default: 5)")
    parser.add_argument("--steps", type=int, default=64, help="steps of `generate` (default: 64)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()

    results = {"machine": machine(), "import": import_times(options.runs)}
    if options.model:
        results["generate"] = generate_times(options.model, options.runs, options.steps)
    print(markdown(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def machine() -> dict:
    packages = ("keras", "jax", "tensorflow", "torch", "numpy")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version for name in packages if (version := installed_version(name))},
    }


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def import_times(runs: int) -> dict:
    """Seconds and peak megabytes of `import md4keras` under JAX, in fresh processes."""
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", IMPORT]
    subprocess.run(command, env=environment, check=True, capture_output=True)  # fills disk caches
    printed = [
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(runs)
    ]
    seconds, megabytes = zip(*(map(float, line.split()) for line in printed), strict=True)
    return {"backend": "jax", "seconds": list(seconds), "peak_megabytes": list(megabytes)}


def generate_times(folder: Path, runs: int, steps: int) -> dict:
    """Seconds for 64 digits, class by class: compiled, and step by step as the app draws them."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras
    import numpy as np

    import md4keras

    model = md4keras.load_model(folder)
    labels = np.arange(64) % 10
    ways = {"": {}, "stepwise_": {"on_step": lambda *state: None, "return_trajectory": True}}
    times = {}
    for way, arguments in ways.items():
        seconds = []
        for seed in range(1 + runs):
            start = time.perf_counter()
            model.generate(64, labels, num_steps=steps, seed=seed, **arguments)
            seconds.append(time.perf_counter() - start)
        times |= {f"{way}first_seconds": seconds[0], f"{way}seconds": seconds[1:]}
    return {
        "backend": keras.backend.backend(),
        "parameters": model.network.count_params(),
        "num_samples": 64,
        "num_steps": steps,
        **times,
    }


def markdown(results: dict) -> str:
    imports, lines = results["import"], []
    rows = [
        ("`import md4keras` (jax), s", imports["seconds"]),
        ("`import md4keras` (jax), peak MB", imports["peak_megabytes"]),
    ]
    if generated := results.get("generate"):
        what = (
            f"`generate`, 64 digits, {generated['num_steps']} steps ({generated['backend']}, "
            f"{generated['parameters']:,} parameters), s"
        )
        for way, prefix in (("", ""), (", step by step", "stepwise_")):
            rows.append((f"{what}{way}, first call", [generated[f"{prefix}first_seconds"]]))
            rows.append((f"{what}{way}, later calls", generated[f"{prefix}seconds"]))
    lines.append("| what | median | least | most | runs |")
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for what, values in rows:
        middle = statistics.median(values)
        lines.append(
            f"| {what} | {middle:.3g} | {min(values):.3g} | {max(values):.3g} | {len(values)} |"
        )
    lines.append("")
    lines.append(", ".join(f"{key} {value}" for key, value in results["machine"].items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
