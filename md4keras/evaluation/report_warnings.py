"""Warnings of a report: rules that say where a figure is weak, each with its number."""

from collections.abc import Iterator

from md4keras.evaluation.report_form import Report

_FEW = 100  # examples
_TOLD = 1e-4  # bits, what is worth more draws
_WIDE, _WIDE_BITS = 0.02, 0.05  # an error, as a part of the figure and in bits
_TRAINING = {
    "changed": "The data have changed since the model was trained on them: their fingerprint is "
    "another.",
    "other": "The data are not those of the model's training: the figure tells how well the model "
    "carries over to them.",
    "unknown": "The model does not tell the fingerprint of its training data, so these may be "
    "among them.",
}


def find_warnings(report: Report) -> list[str]:
    """What to bear in mind with the figures: each a sentence with its number.

    Args:
        report: a `Report`, whose own `warnings` are not looked at.
    """
    return [
        *_of_errors(report.figures[0], report.data, report.settings),
        *_of_data(report.data, report.settings),
        *_of_process(report.settings["timesteps"]),
        *_of_baselines(report.figures[0], report.baselines),
    ]


def _of_errors(row: dict, data: dict, settings: dict) -> Iterator[str]:
    examples, error, draws = data["examples"], row["error"], row["error_of_draws"]
    if examples == 1:
        yield (
            "There is 1 example: the error is that of the draws of masks, and tells nothing of "
            "other examples."
        )
    elif examples < _FEW:
        yield (
            f"There are {examples} examples, fewer than {_FEW}: the error is itself uncertain, and "
            "the interval is rough."
        )
    part = error / abs(row["value"]) if row["value"] else 0.0
    if error > _WIDE_BITS or part > _WIDE:
        yield (
            f"The error is wide: {error:.4f} bits, {part:.1%} of the figure (above {_WIDE:.0%} or "
            f"{_WIDE_BITS} bits)."
        )
    if examples > 1 and draws > error / 2 and error >= _TOLD:
        yield (
            f"Of the error of {error:.4f} bits, the draws of masks have {draws:.4f}, more than "
            f"half: more than {settings['num_draws']} draws for each example make it smaller."
        )


def _of_data(data: dict, settings: dict) -> Iterator[str]:
    if data["training"] in _TRAINING:
        yield _TRAINING[data["training"]]
    if settings["limit"] is not None:
        in_all = data["examples_in_all"]
        of_all = "" if in_all is None else f" of {in_all:,}"
        yield (
            f"The first {data['examples']:,}{of_all} examples alone are measured, which need not "
            "be like the rest."
        )
    positions = f"{data['dimension']}s" if data["dimension"] != "dimension" else "positions"
    if data["left_out"]:
        yield f"The last {data['left_out']:,} {positions} of the data fill no row and are left out."
    if data["padding"]:
        yield f"{data['padding']:,} positions are padding, which is not scored."


def _of_process(timesteps: int | None) -> Iterator[str]:
    if timesteps is not None:
        yield (
            f"The bound is that of a process of {timesteps:,} steps of time: it is no figure of "
            "continuous time, and not to be compared with one."
        )


def _of_baselines(row: dict, baselines: list[dict]) -> Iterator[str]:
    better = [each for each in baselines if each["bits"] < row["value"]]
    for each in better:
        yield (
            f"A simple model is better: {each['name']} needs {each['bits']:.4f} bits, this model "
            f"{row['value']:.4f}."
        )
