"""Reports as files: `report.json` and a page, written whole and read with care."""

import dataclasses
import json
import os
from pathlib import Path

from md4keras.checks import check_writable
from md4keras.evaluation.report_form import Report, check
from md4keras.evaluation.report_page import page
from md4keras.files import import_optional, write_whole

__all__ = ["Report", "check_report_folder", "read_report", "report_folder", "write_report"]

FORMAT = 1
JSON, PAGE = "report.json", "report.html"
MOST_BYTES = 4 * 2**20  # of either file, for those who read them


def write_report(report: Report, folder: str | os.PathLike) -> Path:
    """Writes `report.json` and the page `report.html`, each whole or not at all.

    The page has no scripts and needs no other file or network; of the report every text is escaped.

    Args:
        report: a `Report`.
        folder: path; missing folders are made, files of these names are replaced.

    Returns:
        The path of the page.

    Raises:
        ValueError: if the report's values are none that `read_report` reads, or the files are
            larger.
        ImportError: without matplotlib, which draws the plots.
        OSError: if it cannot be written; files that stood there before still do.
    """
    values = json.loads(json.dumps(dataclasses.asdict(report), allow_nan=False))
    check(values, "the report")
    files = {
        JSON: json.dumps({"format": FORMAT, **values}, indent=1) + "\n",
        PAGE: page(report),
    }
    for name, text in files.items():
        if (size := len(text.encode())) > MOST_BYTES:
            raise ValueError(
                f"The report is too large: it could not be read again. Expected at most "
                f"{MOST_BYTES} bytes. Received: {size} bytes of {name}. Measure without "
                "tables."
            )
    for name, text in files.items():
        write_whole(Path(folder, name), text)
    return Path(folder, PAGE)


def check_report_folder(folder: str | os.PathLike) -> None:
    """Checks, before the measurement, that its report can be written to a folder.

    Raises:
        ValueError: for a path that is or leads through a file, lies in no folder that exists, or
            has folders where the files would be.
        PermissionError: if nothing can be written there.
        ImportError: without matplotlib.
    """
    folder = Path(os.path.realpath(folder))
    place = check_writable(folder)
    if place not in (folder, folder.parent):
        raise ValueError(
            f"The report cannot be written: there is no folder '{folder.parent}'. Expected a "
            f"folder, or a new one in a folder that exists. Received: '{folder}'. Check the path."
        )
    for name in (JSON, PAGE):
        if (folder / name).is_dir():
            raise ValueError(
                f"The report cannot be written: '{folder / name}' is a folder. Expected a file or "
                f"none. Received: '{folder}'. Name another place."
            )
    import_optional("matplotlib", "draws the report's plots", "md4keras[eval]")


def read_report(folder: str | os.PathLike) -> Report:
    """Reads `report.json`, from wherever it came: it is text and numbers, and not many of them.

    Raises:
        ValueError: if there is none, or it is damaged, too large or of another format; what is
            wrong is named.

    Example:

    >>> read_report("no such folder")
    Traceback (most recent call last):
    ...
    ValueError: The report cannot be read ...
    """
    path = Path(folder, JSON)
    try:
        values = json.loads(_read(path), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"The report cannot be read ({error}). Expected the file that `md4keras evaluate "
            f"--report` wrote. Received: '{path}'. Write it anew."
        ) from error
    found = values.pop("format", None) if isinstance(values, dict) else None
    if found != FORMAT:
        raise ValueError(
            f"The report has another format. Expected format {FORMAT}. Received: "
            f"{str(found)[:40]} in '{path}'. Write it anew."
        )
    check(values, f"'{path}'")
    return Report(**values)


def report_folder(model: str | os.PathLike) -> Path:
    """Where the report of a saved model lies: `report` beside a folder `model`, else `NAME_report`.

    Args:
        model: path of the model's folder.
    """
    model = Path(os.path.realpath(model))
    return model.with_name("report" if model.name == "model" else f"{model.name}_report")


def _read(path: Path) -> str:
    if not path.is_file():
        raise ValueError("there is no such file")
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    return content.decode()


def _no_number(word: str):
    raise ValueError(f"{word} is no number")
