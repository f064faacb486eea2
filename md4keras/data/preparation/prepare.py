"""From a name or a path to a prepared folder: what is to be done, doing it, and its index."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from md4keras import tokenizers
from md4keras.checks import check_whole, check_writable
from md4keras.data.folders import printable
from md4keras.data.preparation import planning
from md4keras.data.preparation.engine import PROGRESS, run_ranks
from md4keras.data.preparation.known import KNOWN, Images
from md4keras.data.preparation.settings import Settings, checked
from md4keras.data.prepared_folder import Prepared, prepared, read_index, write_index
from md4keras.data.sources.text8 import prepare_text8
from md4keras.files import import_optional, write_whole

_PLAN, _LOCK = "plan.json", "lock"


class Plan(NamedTuple):
    """What is to be done, as `make_plan` found it.

    Attributes:
        folder: path, where the data set will be.
        steps: list of the functions that each rank runs, one after the other; of texts a reader of
            documents and a writer, between which `datatrove`'s filters can be put.
        tasks: int, the number of ranks.
        facts: dictionary, what the index will say but for the files.
        tokenizer: for texts, else `None`.
    """

    folder: Path
    steps: list
    tasks: int
    facts: dict
    tokenizer: Any


def prepare(
    name: str | os.PathLike,
    out: str | os.PathLike,
    settings: Settings | None = None,
    source: str | os.PathLike | None = None,
    workers: int | None = None,
    say: Callable[[str], None] = print,
):
    """Prepares a data set in a folder, or goes on where that stopped.

    What is there already is kept: a second call does nothing and says so, and after a failure, or
    a kill, what was done is not done again. The result is the same bytes however it went, and with
    any number of workers. Nothing reads a folder that is not finished.

    Args:
        name: str, one of `md4keras.data.preparation.NAMES`, or the path of documents of one's own,
            as of `md4keras.data.documents`.
        out: path, of the folder.
        settings: a `Settings`.
        source: path, of a copy of what would be fetched: the folder of a Hugging Face data set, of
            TensorFlow Datasets, or `text8.zip`.
        workers: int, processes; as many as there are cores by default. They import the program's
            main module: in a script, call this under `if __name__ == "__main__":`.
        say: function that is told how far it is.

    Returns:
        The data set, a `md4keras.data.Prepared`; of text8 the path of the text, as
        `md4keras.data.text8` takes it.

    Raises:
        ValueError: for arguments that make no sense; if the data cannot be fetched, are damaged or
            another data set is in the folder.
        PermissionError: if the folder cannot be written to.
        ImportError: without the packages that it needs.
    """
    out, settings = Path(out).expanduser(), settings or Settings()
    check_writable(out)
    workers = check_whole("workers", _cores() if workers is None else workers)
    if name == "text8":
        if settings != Settings():
            raise ValueError(
                "text8 is prepared in one way. Expected no settings. Received: "
                f"{settings}. Leave them out, or prepare the text as documents of your own."
            )
        return prepare_text8(out, source, say)
    import_optional("datatrove", "prepares the data", "md4keras[data]")
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        plan = make_plan(name, out, settings, source, say)
        if read_index(out) is None:
            run(plan, workers, say)
            finish(plan)
        else:
            say(f"'{printable(out)}' is prepared already")
        shutil.rmtree(out / PROGRESS, ignore_errors=True)
    return prepared(out)


def make_plan(
    name,
    out,
    settings: Settings | None = None,
    source=None,
    say: Callable[[str], None] = print,
) -> Plan:
    """What `prepare` would do; arguments as there.

    The list of files is made once and kept in the folder: whoever goes on takes the same ones.
    Where files of one's own have changed since, as the mending of a bad one changes them, all
    begins anew.

    Raises:
        ValueError: as of `prepare`, if the data are not found.
    """
    out, settings = Path(out).expanduser(), checked(name, settings or Settings(), source)
    known, index = KNOWN.get(os.fspath(name)), read_index(out)
    if index is None:
        planning.check_source(known, settings, source)
    tokenizer = None if isinstance(known, Images) else load_tokenizer(settings.tokenizer)
    request = _request(name, settings, source, known, tokenizer)
    if index is not None:
        _check_same(index["settings"], request, out)
        kept = {"parts": [], "source": index["source"]}  # nothing is left to do
    else:
        kept = _kept_plan(out, request, say)
    if kept is None:
        kept = planning.find_parts(name, known, settings, source)
        write_whole(out / PROGRESS / _PLAN, json.dumps({"request": request, **kept}))
    if isinstance(known, Images):
        steps, facts = planning.image_steps(out, known, source, kept["parts"])
    else:
        steps, facts = planning.text_steps(out, known, settings, tokenizer, kept["parts"])
    facts = {"name": request["name"], **facts, "source": kept["source"], "settings": request}
    return Plan(out, steps, len(kept["parts"]), facts, tokenizer)


def run(plan: Plan, workers: int = 1, say: Callable[[str], None] = print) -> None:
    """Does what is left of a plan on this machine; see `prepare`."""
    shutil.rmtree(plan.folder / PROGRESS / "work", ignore_errors=True)
    run_ranks(plan.steps, plan.tasks, plan.folder, workers, say)


def finish(plan: Plan) -> Prepared:
    """Writes the index of a plan whose ranks are all done, on this machine or others.

    Raises:
        ValueError: if ranks are left.
    """
    parts = [plan.folder / PROGRESS / "parts" / f"{rank:05d}.json" for rank in range(plan.tasks)]
    left = [path.stem for path in parts if not path.is_file()]
    if left:
        raise ValueError(
            f"The preparation is not finished. Expected {plan.tasks} parts. Received: "
            f"{plan.tasks - len(left)} of them, without {', '.join(left[:9])}. Run the rest first."
        )
    splits, counts, texts = {}, {}, {}
    for path in parts:
        part = json.loads(path.read_text())
        for split, file in part.pop("files").items():
            splits.setdefault(split, []).append(file)
        for split, more in part.pop("texts", {}).items():
            _add(texts.setdefault(split, {}), more)
        _add(counts, part)
    if "training" in splits and not sum(file["records"] for file in splits["training"]):
        raise ValueError(
            "There is nothing to train on. Expected a record or more. Received: "
            f"{counts} in {plan.tasks} parts. Take more text, or shorter rows."
        )
    empty = [name for name, files in splits.items() if not sum(file["values"] for file in files)]
    if empty and plan.facts.get("zero_shot"):
        raise ValueError(
            f"A split of {plan.facts['name']} is empty. Expected a document with a token or more. "
            f"Received: {', '.join(empty)} with {', '.join(map(str, map(texts.get, empty)))}. Name "
            "a whole copy of the data set, or leave --source out, in another folder."
        )
    part = plan.facts["settings"].get("validation")
    if part and not sum(file["records"] for file in splits.get("validation", ())):
        raise ValueError(
            "Nothing is held out, as no part has two documents. Expected one that has. Received: "
            f"validation={part}, {counts} in {plan.tasks} parts. Cut them into rows, or hold out "
            "nothing, in another folder: --rows joined, --validation 0."
        )
    facts = plan.facts | {"counts": counts, "texts": texts}
    write_index(plan.folder, facts, splits, plan.tokenizer)
    return prepared(plan.folder)


def _add(counts: dict, more: dict) -> None:
    """Adds counts to those of the same names."""
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


def load_tokenizer(tokenizer):
    """A tokenizer from an object, or from what `md4keras.tokenizers.named` takes, where texts end.

    Raises:
        ValueError: if there is none of this name.
    """
    if not isinstance(tokenizer, (str, os.PathLike)):
        return tokenizers.get(tokenizer)
    return tokenizers.named(tokenizer, end_token=True)


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _request(name, settings: Settings, source, known, tokenizer) -> dict:
    """What is asked for, in JSON values: the same for the same data set."""
    asked = {"name": os.fspath(name), "source": os.fspath(source) if source else None}
    if isinstance(known, Images):
        return asked | {"limit": settings.limit}
    described = json.dumps(tokenizers.serialize(tokenizer), sort_keys=True)
    asked |= settings._asdict() | {"tokenizer": hashlib.sha256(described.encode()).hexdigest()}
    if settings.rows == "documents":
        asked["sequence_length"] = None  # nothing depends on it
    for key in ("detokenizer", "splits"):  # of folders that were begun before there were any, too
        if asked[key] is None:
            del asked[key]
    if known is None:  # the same wherever it is moved to
        path = Path(name).expanduser().absolute()
        asked |= {"name": path.name, "stamp": planning.stamp(path)}
    return asked


def _kept_plan(out: Path, request: dict, say: Callable[[str], None]) -> dict | None:
    """The plan that was begun in this folder, if it is for the same."""
    path = out / PROGRESS / _PLAN
    if path.is_file():
        kept = json.loads(path.read_text())
        before = kept.pop("request")
        _check_same(before, request, out, but="stamp")
        if before == request and planning.are_there(kept["parts"]):
            return kept
        say("the files have changed since this was begun: it begins anew")
        _forget(out)
        return None
    others = [each.name for each in out.iterdir() if each.name != PROGRESS] if out.is_dir() else []
    if others:
        raise ValueError(
            f"There is something else in the folder. Expected a new or empty one. Received: "
            f"out={printable(out)!r} with {printable(others[0])!r}. Name another."
        )
    return None


def _forget(out: Path) -> None:
    """Removes what an unfinished preparation has left in its folder."""
    for pattern in (f"{PROGRESS}/*", "*.array_record", "*.lengths"):
        for path in out.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != _LOCK:
                path.unlink()


def _check_same(before: dict, request: dict, out: Path, but: str | None = None) -> None:
    """Raises a `ValueError` where what was asked for, one thing apart, differs from before."""
    keys = {**before, **request}.keys() - {but}
    differ = sorted(key for key in keys if before.get(key) != request.get(key))
    if differ == ["stamp"]:
        raise ValueError(
            "The files have changed since this folder was made from them. Expected the same ones. "
            f"Received: out={printable(out)!r}. Name another folder, or remove this one to make it "
            "anew."
        )
    if differ:
        was, now = ({key: each.get(key) for key in differ} for each in (before, request))
        raise ValueError(
            f"Another data set is in this folder. Expected settings {was}. Received: "
            f"out={printable(out)!r}, {now}. Name another folder, or remove this one."
        )


class _alone:
    """Within the block no other process prepares the same folder."""

    def __init__(self, out: Path):
        self.out = out

    def __enter__(self):
        fcntl = import_optional("fcntl", "locks the folder", "a Unix system's Python")
        (self.out / PROGRESS).mkdir(exist_ok=True)
        self.lock = open(self.out / PROGRESS / _LOCK, "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.lock.close()
            raise ValueError(
                "Another process is preparing this folder. Expected one at a time. Received: "
                f"out={printable(self.out)!r}. Wait for it, or end it."
            ) from None

    def __exit__(self, *error):
        if not (self.out / PROGRESS / _PLAN).exists():  # nothing came of it
            shutil.rmtree(self.out / PROGRESS, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.out.rmdir()  # if it is empty
        self.lock.close()
