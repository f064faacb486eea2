"""The model that a command works on: its folder, its kind, its classes by name."""

import argparse

import numpy as np

from md4keras import catalog, checkpoints
from md4keras.checks import Interval, check_number, check_whole
from md4keras.cli.terminal import say

SAMPLERS = "ancestral, event, first_hitting, confidence, threshold, entropy_bound, klass, halton, "
SAMPLERS += "left_to_right, psi, forward_backward, remasking, path_planning, corrector, top_p, "
SAMPLERS += "top_k or mean"


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds the argument MODEL, and `--json`."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="folder of a saved model or its run, a preset's name, or a handle (hf://, kaggle://)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_drawing(parser: argparse.ArgumentParser, num_samples: int) -> None:
    """Adds the options that say how samples are drawn."""
    add = parser.add_argument
    add(
        "--num-samples",
        type=int,
        default=num_samples,
        metavar="N",
        help=f"how many to draw (default: {num_samples})",
    )
    add(
        "--label",
        metavar="A,B",
        help="names or numbers of classes, taken in turn",
    )
    add(
        "--sampler",
        default="ancestral",
        metavar="NAME",
        help=f"{SAMPLERS} (default: ancestral)",
    )
    add("--num-steps", type=int, default=128, metavar="N", help="of the sampler (default: 128)")
    add(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="below 1: likelier, less varied; 0: the likeliest tokens (default: 1)",
    )
    add("--seed", type=int, metavar="N", help="draws the same again (default: a new one, told)")


def drawing(options: argparse.Namespace) -> dict:
    """The options of `add_drawing` as arguments of `model.generate`; tells a seed that is new.

    Raises:
        ValueError: for numbers that are none of samples, temperatures or steps.
    """
    check_whole("num_samples", options.num_samples, mend="Ask for one or more.")
    check_whole("num_steps", options.num_steps, mend="128 is a good number.")
    mend = "1 is the model itself, 0 takes the likeliest tokens."
    check_number("temperature", options.temperature, Interval(), mend)
    if options.seed is None:
        options.seed = int(np.random.SeedSequence().generate_state(1)[0])
        say(f"--seed {options.seed} draws the same again")
    return {
        "sampler": options.sampler,
        "num_steps": options.num_steps,
        "temperature": options.temperature,
        "seed": options.seed,
    }


def load(options: argparse.Namespace):
    """Loads the model, of text that its tokenizer reads or of images of 1 or 3 channels.

    Args:
        options: parsed, with `model`.

    Raises:
        ValueError: if there is none, or it is of another kind.
    """
    model = checkpoints.load_model(options.model)
    shape = model.network.data_shape
    if model.tokenizer is None and not (len(shape) == 3 and shape[-1] in (1, 3)):
        raise ValueError(
            "The samples of this model are neither text nor images. Expected a model with a "
            f"tokenizer, or images of 1 or 3 channels. Received: data_shape={tuple(shape)} in "
            f"'{options.model}'. Use it in Python: md4keras.load_model."
        )
    return model


def check_kind(model, kind: str, verb: str, instead: str) -> None:
    """Raises a `ValueError` if the model is not of `"text"`, or of `"images"`.

    Args:
        verb: str, what needs the kind.
        instead: str, what to do with a model of the other kind.
    """
    found = "images" if model.tokenizer is None else "text"
    if found != kind:
        raise ValueError(f"{verb} is for models of {kind}. Received: a model of {found}. {instead}")


def class_names(model) -> tuple[str, ...]:
    """Names of the model's classes; numbers where its recipe tells none; empty without classes."""
    return catalog.class_names(model.recipe or {}, model.network.num_classes)


def labels(
    model, asked: str | None, num_samples: int, all_by_default: bool = False
) -> np.ndarray | None:
    """Class numbers of so many samples, int32 `[num_samples]`, taken in turn.

    Args:
        model: with classes, or without (then `None` is returned).
        asked: names or numbers of classes with commas between them, or `None`.
        all_by_default: bool, whether `None` asks for all classes, rather than is a mistake.

    Raises:
        ValueError: for an unknown or missing class, or classes of a model that has none.
    """
    names = class_names(model)
    if not names:
        if asked:
            raise ValueError(
                "The model has no classes. Expected no --label. "
                f"Received: --label {asked}. Leave it out."
            )
        return None
    if asked is None and not all_by_default:
        raise ValueError(
            f"The model is told what it sees. Expected a class of {_listed(names)}. "
            f"Received: no --label. Name it, such as --label {names[0]}."
        )
    words = names if asked is None else [asked] if asked in names else asked.split(",")
    numbers = [_class_number(word.strip(), names) for word in words]
    return np.resize(np.array(numbers, "int32"), num_samples)


def _class_number(word: str, names: tuple[str, ...]) -> int:
    if word in names:
        return names.index(word)
    if word.isdecimal() and int(word) < len(names):
        return int(word)
    raise ValueError(
        f"The model has no such class. Expected one of {_listed(names)}, or a number below "
        f"{len(names)}. Received: --label {word}. Name one of these."
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
