"""Every example of every page runs: Python as it stands, commands by the parsers that read them.

The Python of a page runs block after block in a folder of its own, with the names and the small
numbers of `page_examples.py`. What cannot run stands there too, with the reason.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import types

import pytest
import yaml

from md4keras import cli
from tests import page_examples as examples
from tests.page_examples import Block
from tests.reference import ROOT
from train import build

pytestmark = pytest.mark.one_backend

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.S | re.M)


def blocks(path) -> list[Block]:
    """The fenced blocks of a page."""
    page = path.relative_to(ROOT).as_posix()
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [
        Block(page, language, re.sub(f"^{indent}", "", text, flags=re.M))
        for indent, language, text in found
    ]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for path in PAGES for block in blocks(path)]
RUN = [block for block in BLOCKS if block.key not in examples.NOT_RUN]
PYTHON = sorted({block.page for block in RUN if block.language == "python"})
LINES = [
    (block.page, line) for block in RUN if block.language != "python" for line in block.commands()
]


def test_every_block_is_of_a_known_language():
    assert {block.language for block in RUN} <= {"python", "", "sh", "bash", "console"}
    stale = set(examples.NOT_RUN) - {block.key for block in BLOCKS}
    assert not stale, f"no page has these blocks any more: {stale}"


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.slow] if p in examples.SLOW else []) for p in PYTHON],
)
def test_python(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", os.environ["KERAS_BACKEND"])  # README sets it
    program = [b.text for b in RUN if b.page == page and b.language == "python"]
    with contextlib.ExitStack() as stack:
        names = examples.names(page, stack)
        shorter = examples.SHORTER.get(page, {}) | names.pop("shorter", {})
        for long, short in shorter.items():
            assert any(long in text for text in program), f"{page} has no {long!r}"
            program = [text.replace(long, short) for text in program]
        for text in program:
            exec(compile(text, page, "exec"), names)
    said = capsys.readouterr().out
    assert examples.AFTERWARDS.get(page, lambda names, said: True)(names, said)


@pytest.mark.parametrize("page, line", LINES)
def test_command(page, line, monkeypatch):
    """It is read as its author meant, and the files of the project that it names are there."""
    for step in line.split(" && "):
        step = re.sub(r"^([A-Z_]+=\S+ +)+", "", step)  # variables
        program = step.split()[0]
        if program not in examples.PROGRAMS_NOT_RUN:
            assert program in READERS, f"say in tests/test_pages.py how '{step}' is tested"
            READERS[program](shlex.split(step, comments=True)[1:], page, monkeypatch)


@pytest.mark.parametrize("start", ["#!/bin/bash", "apiVersion"])
def test_commands_of_clusters(start, monkeypatch):
    """What a job of Slurm or Kubernetes runs is a shell's, and its command one of ours."""
    (script,) = (b.text for b in BLOCKS if b.page == "docs/accelerators.md" and start in b.text)
    if start == "apiVersion":
        job, service = yaml.safe_load_all(script)
        pod = job["spec"]["template"]
        assert pod["metadata"]["labels"] == service["spec"]["selector"]
        assert pod["spec"]["subdomain"] == service["metadata"]["name"] == job["metadata"]["name"]
        (container,) = pod["spec"]["containers"]
        (script,) = container["args"]
        assert container["command"] == ["bash", "-c"]
        mounts = {each["name"] for each in container["volumeMounts"]}
        assert mounts == {each["name"] for each in pod["spec"]["volumes"]}
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    command = script[script.index("md4keras train") :].replace("\\\n", " ").strip()
    for word in ("$resume", re.search(r"\$\(.*\)|$", command)[0]):
        command = command.replace(word, "--resume", 1) if word else command
    command = command.replace("$JOB_COMPLETION_INDEX", "0")
    read_verb(shlex.split(command)[1:], "docs/accelerators.md", monkeypatch)


def read_verb(words, page, monkeypatch):
    """A command `md4keras`; of the recipes' command lines nothing but the training is left out."""
    if words[0] != "train":
        cli.parse(words)
        return
    train_nothing(monkeypatch)
    with contextlib.suppress(SystemExit) if "--help" in words else contextlib.nullcontext():
        assert cli.main(words) == 0


def train_nothing(monkeypatch):
    """Of a recipe's run only the settings are made, of which some are the command's."""

    def check_settings(recipe, options):
        build.optimizer(recipe.complete(options.changes))
        return {}

    monkeypatch.setattr("train.loop.run", check_settings)
    monkeypatch.setattr("train.demo.run", lambda options: {})


def read_python(words, page, monkeypatch):
    """A command `python -m`: a recipe, the benchmarks, or lm-evaluation-harness."""
    assert words[0] == "-m", f"say in tests/test_pages.py how {page}'s python {words[0]} is tested"
    if words[1].startswith("train."):
        read_verb(["train", words[1].removeprefix("train."), *words[2:]], page, monkeypatch)
    elif words[1] == "md4keras.evaluation.harness":
        read_harness(words[2:], monkeypatch)
    else:
        assert words[1] == "benchmarks"
        read_benchmarks(words[2:], monkeypatch)


def read_benchmarks(words, monkeypatch):
    """Arguments of the benchmarks, without their measurements."""
    import benchmarks.__main__ as program

    table = types.SimpleNamespace(markdown=lambda: "")
    monkeypatch.setattr(program, "Table", lambda *args: table)
    for module in program.TABLES.values():
        monkeypatch.setattr(f"{module}.rows", lambda options: ())
    program.main(words)


def read_harness(words, monkeypatch):
    """Arguments of lm-evaluation-harness, and those of our model among them."""
    from lm_eval._cli.harness import HarnessCLI

    from md4keras.evaluation.harness import ARGUMENTS

    monkeypatch.setattr("sys.argv", ["lm_eval", *words])
    read = HarnessCLI().parse_args()
    assert read.model == "md4keras" and read.tasks
    assert "model" in read.model_args and set(read.model_args) <= set(ARGUMENTS)


def read_target(words, page, monkeypatch):
    """A command `make TARGET`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [word for word in words if "=" not in word]
    assert targets and all(re.search(rf"^{t}:", makefile, re.M) for t in targets)


def read_folder(words, page, monkeypatch):
    """A command `cd FOLDER` into the checkout."""
    assert (ROOT / words[0]).is_dir()


READERS = {
    "md4keras": read_verb,
    "python": read_python,
    "make": read_target,
    "cd": read_folder,
}

WORKS_ON_A_MODEL = ("evaluate", "generate", "infill", "score", "models")
ON_MODELS = sorted({line for _, line in LINES if line.split()[:2][-1] in WORKS_ON_A_MODEL})


def test_commands_on_a_model_run(tmp_path, monkeypatch):
    """Those that need no server and no training, on tiny models where they expect some."""
    assert {line.split()[1] for line in ON_MODELS} == set(WORKS_ON_A_MODEL)
    monkeypatch.chdir(tmp_path)
    for line in ON_MODELS:
        words = shlex.split(line, comments=True)[1:]
        if len(words) > 1:
            examples.save_tiny_model(words[1])
        examples.save_text(words)
        words += examples.FEW.get(words[0], [])
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert cli.main(words) == 0, line
        assert out.getvalue(), line
