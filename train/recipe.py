"""A recipe: a source of data, settings to start from, and the command line over them."""

import argparse
import dataclasses
import sys
import textwrap
from pathlib import Path
from typing import Any

import md4keras

from . import devices, optimizers
from .settings import RANGES, complete, read_pairs

_FLAGS = {
    "steps": "training steps in all",
    "batch_size": "examples a step",
    "interval": "steps between validation, samples and checkpoints",
    "seed": "of weights, order of the data, and masks",
}

_EXAMPLE = """\
example:
  {prog} --steps 300 --set {example}

settings of this recipe, which --set changes{limit}:
{settings}

What they mean, and recipes of your own: docs/recipes.md. KERAS_BACKEND chooses jax, tensorflow or
torch.
"""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What one training run starts from.

    Attributes:
        name: str, also of the default output folder.
        description: str, for `--help`.
        source: a source of `md4keras.data`, or its name.
        own: str, the source that reads what `--data` names.
        settings: dict, by the names that `--set` knows.
    """

    name: str
    description: str
    source: Any
    own: str
    settings: dict

    @property
    def kind(self) -> str:
        """`"text"` or `"image"`."""
        return md4keras.data.get(self.source).kind

    @property
    def steps(self) -> int:
        """Training steps."""
        return self.settings["steps"]

    @property
    def interval(self) -> int:
        """Steps between validations, samples and checkpoints."""
        return self.settings["interval"]

    def but(self, **settings) -> "Recipe":
        """The recipe with other settings: `recipe.but(steps=600)`."""
        return dataclasses.replace(self, settings={**self.settings, **settings})

    def variant(self, name: str, settings: dict, **changes) -> "Recipe":
        """A recipe of another name that differs in a few settings: `md4keras train NAME`."""
        return dataclasses.replace(self.but(**settings), name=name, **changes)

    def complete(self, changes: dict | None = None) -> dict:
        """All settings of a run with these changes; see `settings.complete`."""
        return complete(self.kind, self.settings, changes or {})

    def parse(self, arguments: list[str] | None = None, prog: str | None = None):
        """Reads the command line; `changes` are the settings that were given."""
        ours = (Path(__file__).parent / f"{self.name}.py").is_file()
        own = f"-m {__package__}.{self.name}" if ours else Path(sys.argv[0]).name
        options = _parser(self, prog or f"python {own}").parse_args(arguments)
        if options.extend_rate and not options.extend:
            raise ValueError(
                "--extend-rate is for steps that are added. Expected --extend STEPS along with "
                f"it. Received: --extend-rate {options.extend_rate}. Leave it out."
            )
        options.changes = _changes(options)
        return options


def _parser(recipe: Recipe, prog: str) -> argparse.ArgumentParser:
    values = [f"{name}={_written(value)}" for name, value in recipe.complete().items()]
    example = "network.num_layers=2 optimizer.learning_rate=1e-3"
    listed = textwrap.fill("  ".join(values), 96, initial_indent="  ", subsequent_indent="  ")
    limit = " (image_shape and levels only along with --data)" if recipe.kind == "image" else ""
    epilog = _EXAMPLE.format(prog=prog, example=example, limit=limit, settings=listed)
    parser = argparse.ArgumentParser(
        prog=prog,
        description=recipe.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=epilog,
    )
    add = parser.add_argument
    add("--data", type=_absolute, metavar="PATH", help="your own data instead: see docs/data.md")
    add("--skip-bad", action="store_true", help="go on without files that cannot be used")
    what = "characters that the model does not know, such as capital letters"
    add("--replace-unknown", action="store_true", help=f"replace {what}")
    for name, what in _FLAGS.items():
        default = recipe.settings.get(name, 0)
        add(_flag(name), type=whole(name), metavar="N", help=f"{what} (default: {default})")
    add(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="name=value",
        help="settings, see below",
    )
    output = Path("runs") / recipe.name
    what = "folder for the model, samples, TensorBoard logs and the training state"
    add("--output", type=Path, default=output, metavar="FOLDER", help=f"{what} (default: {output})")
    add(
        "--init-from",
        type=_model,
        metavar="MODEL",
        help="start from the weights of a saved model: its folder, a preset's name, or a handle",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--resume", action="store_true", help="continue the run in --output where it stopped"
    )
    what = "go on for so many steps where the finished run in --output ended"
    existing.add_argument("--extend", type=whole("steps"), metavar="STEPS", help=what)
    existing.add_argument("--overwrite", action="store_true", help="replace the run in --output")
    what = "the learning rate of the added steps: it warms up again, and then decays to zero or is "
    add("--extend-rate", choices=optimizers.RATES, help=f"{what}held (default: decay)")
    add("--json", action="store_true", help="print the result as JSON, and the rest to stderr")
    devices.add_flags(parser)
    return parser


def _written(value) -> str:
    """A value as `--set` takes it."""
    words = {True: "true", False: "false", None: "none"}
    if isinstance(value, (bool, type(None))):
        return words[value]
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _changes(options: argparse.Namespace) -> dict:
    changes = read_pairs(options.set)
    for name in _FLAGS:
        value = getattr(options, name)
        if value is not None and name in changes:
            raise ValueError(
                f"A setting is given once. Received: {name} by {_flag(name)} and by --set. Leave "
                "one out."
            )
        if value is not None:
            changes[name] = value
    return changes


def _absolute(text: str) -> Path:
    """A path that the run's files can tell: it holds in any working directory."""
    return Path(text).absolute()


def _model(text: str) -> Path | str:
    """A model: a path as of `_absolute`, or the name or handle of a preset."""
    named = "://" in text or text in md4keras.presets.shipped()
    return text if named and not Path(text).exists() else _absolute(text)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def whole(name: str):
    """The type of command-line arguments that are whole numbers in the range of a setting."""
    least, most, _ = RANGES[name]

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, received {text!r}"
            )
        return value

    return parse
