"""The whole thing in ten minutes: train on digits and on text, then generate and infill.

    python -m train.demo

Writes `runs/demo/`: the two models, a grid of generated digits by class, an animation of the
reverse process, and generated and infilled text.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import md4keras
from md4keras.data import text_windows
from md4keras.visualization import pictures

from . import digits, loop, pydoc, samples
from .recipe import whole


def main(arguments: list[str] | None = None, prog: str | None = None) -> dict:
    """Runs the demo from the command line; returns the results of both recipes by name."""
    prog = prog or "python -m train.demo"
    parser = argparse.ArgumentParser(
        prog=prog,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example:\n  {prog} --digits-steps 100 --pydoc-steps 100    # only a look",
    )
    what = "folder for the models and pictures (default: runs/demo)"
    parser.add_argument(
        "--output", type=Path, default=Path("runs/demo"), metavar="FOLDER", help=what
    )
    for recipe in (digits.DEMO, pydoc.DEMO):
        what = f"training steps of the {recipe.name} (default: {recipe.steps})"
        parser.add_argument(
            f"--{recipe.name}-steps",
            type=whole("steps"),
            default=recipe.steps,
            metavar="N",
            help=what,
        )
    parser.add_argument(
        "--json", action="store_true", help="print the results as JSON, and the rest to stderr"
    )
    options = parser.parse_args(arguments)
    return loop.told(lambda: run(options), options.json)


def run(options) -> dict:
    """Trains both models and shows what they do; returns the results by name."""
    start = time.monotonic()
    reports = []
    for recipe, steps, show in (
        (digits.DEMO, options.digits_steps, show_digits),
        (pydoc.DEMO, options.pydoc_steps, show_text),
    ):
        folder = options.output / recipe.name
        results = loop.main(
            recipe.but(steps=steps), ["--overwrite", "--output", str(folder)], prog="demo"
        )
        show(md4keras.load_model(folder / "model"), options.output)
        reports.append((recipe.name, results))
    print("\nWhat was reached")
    for name, results in reports:
        print(f"\n{name}, {results['seconds']:.0f} s of training", end="")
        loop.report(results["bits_per_dim"], results["baselines"])
    print(f"\n{time.monotonic() - start:.0f} s in all. Look at {options.output}/")
    return dict(reports)


def show_digits(model, output: Path) -> None:
    """A grid of ten digits of each class, and an animation of the reverse process."""
    labels = samples.class_labels(model, 10)  # row by row 0 to 9
    settings = {"levels": model.network.vocabulary_size, "columns": 10}
    run = model.sample_steps(len(labels), labels, num_steps=64, seed=1)
    trajectory = np.stack([state.tokens for state in run])  # [states, samples, 8, 8, 1]
    pictures.save_image_grid(trajectory[-1], output / "digits.png", **settings)
    pictures.save_animation(
        trajectory[:, :20], output / "digits.gif", mask_token=model.mask_token, **settings
    )
    print(f"Generated digits: {output / 'digits.png'}, {output / 'digits.gif'}")


def show_text(model, output: Path) -> None:
    """Five generated lines, and five lines of the validation split with gaps filled."""
    lines = ["Generated"]
    lines += model.tokenizer.decode(model.generate(5, num_steps=128, seed=1))
    validation = model.tokenizer.encode(md4keras.data.pydoc().validation)
    tokens = text_windows(validation, model.network.data_shape[0])[:50:10]
    mask = np.zeros(tokens.shape, bool)
    for start in range(20, tokens.shape[1] - 10, 40):
        mask[:, start : start + 10] = True  # gaps of ten characters
    filled = model.tokenizer.decode(model.infill(tokens, mask, num_steps=64, seed=1))
    gaps = model.tokenizer.decode(np.where(mask, model.mask_token, tokens))
    for gap, line in zip(gaps, filled, strict=True):
        lines += ["", f"Given     {gap}", f"Infilled  {line}"]
    (output / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
