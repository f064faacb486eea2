"""The choices that make one training run, and the command line over them."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .inputs import Data


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The choices of one training run.

    Attributes:
        name: str, also of the default output folder.
        data: function of the options that returns `Data`.
        model: function of the options and the `Data` that returns a model, not yet compiled.
        optimizer: function of the number of steps that returns a Keras optimizer.
        steps: int, training steps.
        batch_size: int, examples a step.
        interval: int, steps between validations, samples and checkpoints.
        sample_steps: int, of the reverse process, for the samples shown.
        sampler, time_grid: str, what else `generate` wants to know for them.
        description: str, for `--help`.
    """

    name: str
    data: Callable[[argparse.Namespace], Data]
    model: Callable[[argparse.Namespace, Data], Any]
    optimizer: Callable[[int], Any]
    steps: int
    batch_size: int
    interval: int
    sample_steps: int = 64
    sampler: str = "ancestral"
    time_grid: str = "cosine"
    description: str = ""

    def parse(self, arguments: list[str] | None = None) -> argparse.Namespace:
        """Reads the command line; the defaults are the recipe's."""
        parser = argparse.ArgumentParser(
            prog=f"python -m train.{self.name}",
            description=self.description,
            formatter_class=_HelpFormatter,
            epilog="The backend is chosen by KERAS_BACKEND: jax, tensorflow or torch.",
        )
        add = parser.add_argument
        add("--data", type=Path, help="your own data instead of the recipe's: see docs/data.md")
        add("--steps", type=positive, default=self.steps, help="training steps in all")
        add("--batch-size", type=positive, default=self.batch_size, help="examples a step")
        add(
            "--interval",
            type=positive,
            default=self.interval,
            help="steps between validation, samples and checkpoints",
        )
        add(
            "--output",
            type=Path,
            default=Path("runs") / self.name,
            help="folder for the model, samples, TensorBoard logs and the training state",
        )
        add("--seed", type=_seed, default=0, help="of weights, order of the data, and masks")
        existing = parser.add_mutually_exclusive_group()
        existing.add_argument(
            "--resume",
            action="store_true",
            help="continue the run in --output from its last checkpoint",
        )
        existing.add_argument(
            "--overwrite", action="store_true", help="replace the run in --output"
        )
        return parser.parse_args(arguments)


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    pass


def positive(text: str) -> int:
    """The type of command-line arguments that are whole numbers of at least 1."""
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {value}")
    return value


def _seed(text: str) -> int:
    value = _whole(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"must lie in [0, 2**32), received {value}")
    return value


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, received {text!r}") from None
