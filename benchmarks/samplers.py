"""Samplers: quality against network calls, and what event-driven sampling saves.

    python benchmarks/samplers.py

The first table is of an eight-state Markov source whose exact denoiser is known, so that what is
wrong in the samples is the sampler's doing: the total variation distance between the samples'
pairs of neighbours and the source's, and the mean log-probability of a sample beside the source's
entropy (likelier than the entropy means too little variety). The second times a transformer.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import md4keras
from benchmarks import markov
from md4keras import samplers

LENGTH, STATES = 32, 8
SAMPLERS = {
    "ancestral": "ancestral",
    "mean": "mean",
    "event": "event",
    "first_hitting": "first_hitting",
    "top_p 0.9": samplers.TopP(0.9),
    "top_k 4": samplers.TopK(4),
    "ancestral, temperature 0.8": "ancestral",
    "confidence, probability": samplers.Confidence(),
    "confidence, margin": samplers.Confidence(rule="margin"),
    "confidence, entropy": samplers.Confidence(rule="entropy"),
    "confidence, noise 4": samplers.Confidence(noise_temperature=4.0),
    "remasking, capped 0.05": samplers.Remasking(rule="capped", eta=0.05),
    "remasking, rescaled 0.2": samplers.Remasking(rule="rescaled", eta=0.2),
    "remasking, confidence": samplers.Remasking(rule="confidence"),
}
TEMPERATURES = {"ancestral, temperature 0.8": 0.8}  # the others': 1


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=4000, help="samples a cell (default: 4000)")
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 8, 16, 64, 256])
    parser.add_argument("--runs", type=int, default=3, help="timed runs (default: 3)")
    options = parser.parse_args()
    print(quality_table(options.samples, options.steps))
    print(speed_table(options.runs))


def quality_table(count: int, all_steps) -> str:
    matrix, stationary, rate = markov.source(STATES)
    model = md4keras.MD4(markov.MarkovConditionals(matrix, stationary, LENGTH))
    entropy = -(stationary * np.log(stationary)).sum() + (LENGTH - 1) * rate
    true = stationary[:, None] * matrix

    def quality(x):
        pairs = np.zeros((STATES, STATES))
        np.add.at(pairs, (x[:, :-1].ravel(), x[:, 1:].ravel()), 1)
        distance = 0.5 * np.abs(pairs / pairs.sum() - true).sum()
        nats = -markov.log_probability(x, matrix, stationary).mean()
        return f"{distance:.3f}, {nats:.1f}"

    floor = quality(markov.draw(matrix, stationary, count, LENGTH, seed=1))
    lines = [
        f"Distance of pairs, nats a sample (network calls); {count} samples of {LENGTH}. "
        f"The source itself: {floor}; its entropy: {entropy:.1f} nats.",
        "",
        "| sampler | " + " | ".join(f"{steps} steps" for steps in all_steps) + " |",
        "|---" * (len(all_steps) + 1) + "|",
    ]
    for name, sampler in SAMPLERS.items():
        cells = []
        for steps in all_steps:
            x, calls = model.generate(
                count,
                sampler=sampler,
                num_steps=steps,
                temperature=TEMPERATURES.get(name, 1.0),
                seed=2,
                return_network_calls=True,
            )
            cells.append(f"{quality(x)} ({calls})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def speed_table(runs: int, batch: int = 4, length: int = 256, steps: int = 1000) -> str:
    network = md4keras.networks.Transformer(
        27, length, num_layers=4, num_heads=4, feature_dim=32, time_features="none"
    )
    model = md4keras.MD4(network)
    seconds, calls = {}, {}
    for name in ("ancestral", "event"):
        times = []
        for run in range(runs + 1):
            start = time.perf_counter()
            _, calls[name] = model.generate(
                batch, sampler=name, num_steps=steps, seed=run, return_network_calls=True
            )
            times.append(time.perf_counter() - start)
        seconds[name] = statistics.median(times[1:])  # the first one compiles
    lines = [
        f"{batch} samples of {length} positions, {steps} steps, 4 layers x 128, "
        f"median of {runs} runs after the first.",
        "",
        "| sampler | seconds | network calls |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {seconds[name]:.1f} | {calls[name]} |" for name in seconds]
    lines.append(f"\nevent / ancestral: {seconds['event'] / seconds['ancestral']:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
