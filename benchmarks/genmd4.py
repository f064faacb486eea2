"""MD4 and GenMD4 on pydoc with the same number of network evaluations.

    python benchmarks/genmd4.py --steps 600

GenMD4 evaluates the network twice a step, so it takes half the steps. Prints the bound on the
validation split with a 95 % interval (over windows and masks; not over training runs), and the
learned exponents.
"""

import argparse
import sys
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import md4keras
from md4keras.data import text, tokenizers
from train import pydoc


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=600, help="of MD4 (default: 600)")
    parser.add_argument("--draws", type=int, default=16, help="of masks, a window (default: 16)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tokenizer = tokenizers.CharacterTokenizer(tokenizers.TEXT8_ALPHABET)
    training, validation = text.split_text(tokenizer.encode(text.pydoc()))
    windows = text.text_windows(validation, pydoc.SEQUENCE_LENGTH)
    print("| model | steps | network evaluations | bits per character, 95 % interval |")
    print("|---|---|---|---|")
    for kind, steps in ((md4keras.MD4, options.steps), (md4keras.GenMD4, options.steps // 2)):
        keras.utils.set_random_seed(options.seed)
        model = kind(pydoc.network(tokenizer.vocabulary_size), seed=options.seed)
        model.tokenizer = tokenizer
        optimizer = pydoc.RECIPE.optimizer(steps)
        if kind is md4keras.GenMD4:  # decay would pull the exponents towards ln 2
            optimizer.exclude_from_weight_decay(var_list=[model.schedule.theta])
        model.compile(optimizer)
        data = text.text_dataset(training, pydoc.SEQUENCE_LENGTH, 32, True, seed=options.seed)
        model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)
        nats, error = model.score(windows, num_samples=options.draws)
        bits = nats / (pydoc.SEQUENCE_LENGTH * np.log(2))
        half_width = 1.96 * bits.std(ddof=1) / np.sqrt(len(bits))
        print(
            f"| {kind.__name__} | {steps} | {options.steps} | "
            f"{bits.mean():.3f} ± {half_width:.3f} |",
            flush=True,
        )
    print("\nLearned exponents of GenMD4, from the first masked to the last:")
    power = model.power_by_token()
    print(", ".join(f"{'space' if t == ' ' else t} {w:.2f}" for t, w in power.items()))


if __name__ == "__main__":
    main()
