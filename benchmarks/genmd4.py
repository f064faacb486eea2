"""MD4 and GenMD4 on pydoc with the same number of network evaluations.

    python benchmarks/genmd4.py --evaluations 4000 --runs 3

GenMD4 evaluates the network on two maskings of each example, so at the same cost it sees half as
many: in half as many steps, or in batches half as large; both are trained. Each training run has a
seed of its own, which the three kinds share. Prints the bound on the validation split with a 95 %
interval over the runs (t distribution), the difference from MD4 run by run, and the learned
exponents.
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import md4keras
from md4keras.data import text, tokenizers
from train.optimizers import muon

LENGTH = 64


@dataclasses.dataclass(frozen=True)
class Kind:
    """One row of the table: `steps` of `batch_size` examples."""

    name: str
    model: type
    steps: int
    batch_size: int


def kinds(evaluations: int, batch_size: int) -> list[Kind]:
    """Three ways to spend the same number of network evaluations (of `batch_size` rows each)."""
    half = batch_size // 2
    return [
        Kind("MD4", md4keras.MD4, evaluations, batch_size),
        Kind("GenMD4, half the steps", md4keras.GenMD4, evaluations // 2, batch_size),
        Kind("GenMD4, half the batch", md4keras.GenMD4, evaluations, half),
    ]


def network(vocabulary_size: int):
    return md4keras.networks.Transformer(
        vocabulary_size, LENGTH, num_layers=2, num_heads=4, feature_dim=16, time_features="none"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--evaluations", type=int, default=4000, help="of the network, a run (default: 4000)")
    add("--batch-size", type=int, default=16, help="rows in each (default: 16)")
    add("--runs", type=int, default=3, help="training runs of each kind, at least 2 (default: 3)")
    add("--draws", type=int, default=8, help="of masks, a window, in the bound (default: 8)")
    add("--json", type=Path, help="also write every run's result to this file")
    options = parser.parse_args()
    tokenizer = tokenizers.CharacterTokenizer(tokenizers.TEXT8_ALPHABET)
    training, validation = text.split_text(tokenizer.encode(text.pydoc()))
    windows = text.text_windows(validation, LENGTH)
    bits, powers = {}, {}
    for kind in kinds(options.evaluations, options.batch_size):
        bits[kind.name] = []
        for seed in range(options.runs):
            start = time.perf_counter()
            model = trained(kind, training, tokenizer, seed)
            nats, _ = model.score(windows, num_samples=options.draws)
            bits[kind.name].append(float(nats.mean() / (LENGTH * np.log(2))))
            if kind.model is md4keras.GenMD4:
                powers.setdefault(kind.name, []).append(model.power_by_token())
            print(
                f"{kind.name}, seed {seed}: {bits[kind.name][-1]:.4f} bits, "
                f"{time.perf_counter() - start:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    print(table(bits, kinds(options.evaluations, options.batch_size)))
    for name, each in powers.items():
        print(f"\nLearned exponents, {name}: mean over the runs ± their standard deviation.")
        print(exponents(each))
    if options.json:
        results = {"bits_per_character": bits, "exponents": powers, "settings": vars(options)}
        options.json.write_text(json.dumps(results, indent=2, default=str) + "\n", encoding="utf-8")


def trained(kind: Kind, training, tokenizer, seed: int):
    """A model of this kind, trained on the characters; averaged weights."""
    keras.utils.set_random_seed(seed)
    model = kind.model(network(tokenizer.vocabulary_size), seed=seed)
    model.tokenizer = tokenizer
    optimizer = muon(kind.steps, learning_rate=5e-3, warmup_steps=100)
    if kind.model is md4keras.GenMD4:  # decay would pull the exponents towards ln 2
        optimizer.exclude_from_weight_decay(var_list=[model.schedule.theta])
    model.compile(optimizer)
    data = text.text_dataset(training, LENGTH, kind.batch_size, True, seed=seed)
    model.fit(data, steps_per_epoch=kind.steps, shuffle=False, verbose=0)
    return model


def table(bits: dict, rows: list[Kind]) -> str:
    lines = [
        "| model | steps x batch | bits per character | difference from MD4 |",
        "|---|---|---|---|",
    ]
    for kind in rows:
        here, base = np.array(bits[kind.name]), np.array(bits["MD4"])
        difference = "" if kind.name == "MD4" else interval(here - base, sign="+")
        lines.append(
            f"| {kind.name} | {kind.steps} x {kind.batch_size} | {interval(here)} | {difference} |"
        )
    return "\n".join(lines)


def interval(values, sign: str = "") -> str:
    """Mean and 95 % interval over independent runs."""
    half_width = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{sign}.3f} ± {half_width:.3f}"


def exponents(runs: list[dict]) -> str:
    """From the first masked to the last, by the mean over the runs."""
    values = {token: [run[token] for run in runs] for token in runs[0]}
    ordered = sorted(values, key=lambda token: np.mean(values[token]))
    return ", ".join(
        f"{'space' if token == ' ' else token} {np.mean(values[token]):.2f} ± "
        f"{np.std(values[token], ddof=1):.2f}"
        for token in ordered
    )


if __name__ == "__main__":
    main()
