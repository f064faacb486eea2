"""The report of `md4keras evaluate`: where it goes, and what the command knows for it."""

import argparse
import contextlib
import datetime
import os
import shlex
from pathlib import Path
from typing import NamedTuple

from md4keras import backend, checkpoints, data, presets
from md4keras.checks import is_number
from md4keras.cli.terminal import printable, say
from md4keras.cli.text_size import unit
from md4keras.evaluation import report_parts, report_warnings
from md4keras.evaluation.report import (
    Report,
    check_report_folder,
    read_report,
    report_folder,
    write_report,
)
from md4keras.version import installed
from md4keras.visualization.marked_text import token_symbols

BESIDE = object()  # stands for the folder beside that of the model
_ROWS = {
    (): "each row is scored on its own",
    ("padding_mask",): "each text is a row of its own, padded to the row's length",
    ("segment_ids",): "several whole texts share a row, and each is scored on its own",
}
_MOST_BASELINES = 20


class Target(NamedTuple):
    """Where a report is to be written, and the SHA-256 of the weights that it will be of."""

    folder: Path
    weights: str


def target(options: argparse.Namespace) -> Target | None:
    """What `--report` asks for, checked before the measurement; `None` without it.

    Raises:
        ValueError, PermissionError: if there is no model, or nothing can be written there.
        ImportError: without matplotlib.
    """
    if options.report is None:
        return None
    model, folder = presets.find(options.model), options.report
    if folder is BESIDE:
        own = Path(os.path.realpath(model)).is_relative_to(os.path.realpath(options.model))
        beside = model if own else Path(options.model).name  # not beside a preset
        folder = Path(os.path.relpath(report_folder(beside)))
    check_report_folder(folder)
    weights = checkpoints.read_saved(model, unknown_tokenizer=True).weights_fingerprint
    with contextlib.suppress(ValueError):  # there is none
        if read_report(folder).model["weights"] != weights:
            say(f"note: the report in '{folder}' is of another model; this one takes its place")
    return Target(folder, weights)


def write(target: Target, options: argparse.Namespace, model, measured) -> None:
    """Writes the report of a measurement, and says where.

    Args:
        target: what `target` returned.
        options: of the command.
        model: that was measured.
        measured: a `Measured`.
    """
    page = write_report(make_report(target, options, model, measured), target.folder)
    say(f"the report is in '{target.folder}': {page.name} is the page, report.json its numbers")


def make_report(target: Target, options: argparse.Namespace, model, measured) -> Report:
    """The report of a measurement.

    Args:
        target, options, model, measured: as of `write`.
    """
    result, found, tally, _, counts = measured
    is_text = model.tokenizer is not None
    report = Report(
        command=_command(options.typed),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seeds={"masks": options.seed},
        versions=installed(("keras", "numpy", backend.NAME)) | {"backend": backend.NAME},
        model={
            "name": printable(str(options.model)),
            "kind": type(model).__name__,
            "network": type(model.network).__name__,
            "tokenizer": type(model.tokenizer).__name__ if is_text else None,
            "parameters": model.network.count_params(),
            "weights": target.weights,
        },
        data={
            "name": printable(result["data"]),
            "fingerprint": tally.fingerprint,
            "files": measured.origin.files,
            **{name: result[name] for name in ("examples", "examples_in_all", "dimensions")},
            "dimension": result["dimension"],
            "left_out": result["left_out_at_the_end"],
            "padding": tally.padding,
            "training": measured.origin.training,
        },
        settings={
            "num_draws": options.num_draws,
            "timesteps": found.timesteps,
            "limit": options.limit,
        },
        conventions=_conventions(options, model, measured),
        figures=report_parts.figures(found, result["dimension"], counts, is_text),
        baselines=_baselines(model, measured.origin),
        curve=report_parts.curve(found),
        tables=report_parts.tables(found, _symbol_of(model)),
    )
    report.warnings.extend(report_warnings.find_warnings(report))
    return report


def _command(words: list[str]) -> str:
    """The command for a shell, with the backend that ran."""
    return f"KERAS_BACKEND={backend.NAME} {shlex.join(['md4keras', *words])}"


def _conventions(options: argparse.Namespace, model, measured) -> list[dict]:
    """How the figures are to be read, each convention by its name."""
    result, found, tally = measured[:3]
    steps = found.timesteps
    time = "Continuous time" if steps is None else f"A process of {steps:,} steps of time"
    asked = "as trained" if options.timesteps == "own" else "as --timesteps asks"
    told = {
        "bound": "The negative evidence lower bound: no exact likelihood, but an upper bound on "
        "-log2 p in bits, and on -ln p in nats.",
        "unit": f"Bits for each {_dimension(model)}: the sum over all examples, divided by the "
        "number of all scored positions.",
        "draws": f"{options.num_draws} draws of masks for each example, one in each of as many "
        f"equal parts of time, from seed {options.seed} and the example's number alone.",
        "time": f"{time}, {asked}.",
        "errors": "Standard errors for the population that the examples are a sample of, which "
        "hold those of the draws; intervals of 95 % by Student's t.",
    }
    if tally.has_labels:
        told["classes"] = "The model is told the class of each example."
    if model.tokenizer is not None:
        told |= _of_text(options, model, result, tally)
    return [{"name": name, "text": text} for name, text in told.items()]


def _of_text(options: argparse.Namespace, model, result: dict, tally) -> dict[str, str]:
    dimension = result["dimension"]
    way = _ROWS.get(tuple(sorted(tally.layout)), _ROWS[()])
    told = {
        "rows": f"Rows of {tally.length:,} {dimension}s; {way}.",
        "tokens": f"{type(model.tokenizer).__name__}, {model.tokenizer.vocabulary_size:,} values.",
    }
    if result["left_out_at_the_end"]:
        told["left out"] = f"{result['left_out_at_the_end']:,} {dimension}s that fill no row."
    if tally.padding:
        told["padding"] = f"{tally.padding:,} positions, which are not scored."
    if "zero_shot" in result:
        texts, blocks, changed = data.describe_zero_shot(result["zero_shot"])
        told |= {"set": f"{texts}.", "blocks": f"{blocks}.", "conventions": f"{changed}."}
    elif options.replace_unknown:
        told["text"] = "Characters that the model does not know are replaced by what it knows."
    else:
        told["text"] = "As the data hold it: no detokeniser is applied."
    told["perplexity"] = f"The exponential of the nats for a {dimension}."
    if "words" in result:
        where = "of the set as it was published" if "zero_shot" in result else "of the scored text"
        told["words"] = (
            f"{result['words']:,} words between white space, {where}; the perplexity of a word is "
            "the exponential of the nats for one."
        )
    return told


def _dimension(model) -> str:
    if model.tokenizer is not None:
        return unit(model)
    return "channel of a pixel" if model.network.data_shape[-1] > 1 else "pixel"


def _baselines(model, origin) -> list[dict]:
    """The simple models that the training measured on the same split."""
    told = (model.recipe or {}).get("baselines_bits_per_dim")
    if origin.training != "held out" or not isinstance(told, dict):
        return []
    rows = [{"name": name, "bits": bits} for name, bits in told.items() if is_number(bits)]
    return rows[:_MOST_BASELINES]


def _symbol_of(model):
    """A function of a token that returns how it is written; levels of images are numbers."""
    if model.tokenizer is None:
        return str
    return lambda token: token_symbols([token], model.tokenizer)[0]
