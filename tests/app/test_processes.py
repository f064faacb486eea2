"""What runs: one process for the app, and no training that outlives it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.one_backend,
    pytest.mark.skipif(os.name == "nt", reason="signals and /proc"),
]

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "BROWSER": "true"}


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(port):
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1):
            return True
    except OSError:
        return False


def alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process_id}/status")  # one that ended may wait to be taken note of
    return not (status.is_file() and "zombie" in status.read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_app_is_one_process_that_ends(number, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = "import sys; from md4keras.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["app", str(tmp_path), "--port", str(port)]
    app = subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        env=ENVIRONMENT,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: app.poll() is not None or answers(port))
        status = Path(f"/proc/{app.pid}/status")
        if status.is_file():  # without Keras and JAX, and without a second process
            memory = next(line for line in status.read_text().splitlines() if "VmRSS" in line)
            assert int(memory.split()[1]) < 200_000  # kB
            assert not Path(f"/proc/{app.pid}/task/{app.pid}/children").read_text().split()
        app.send_signal(number)
        app.wait(20)
    finally:
        app.kill()
    assert not answers(port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_training_ends_with_the_app(number, tmp_path):
    """Even when the app is killed, and has no moment to end it."""
    (tmp_path / "long.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    code = """
        import sys, time
        from pathlib import Path
        from app import background

        training = background.DemoTraining(Path(sys.argv[1]))
        background.COMMAND = (*background.COMMAND[:3], "long")
        training.start()
        print(training._process.pid, flush=True)
        time.sleep(600)
    """
    app = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        stdout=subprocess.PIPE,
        text=True,
    )
    with app:
        child = int(app.stdout.readline())
        log = tmp_path / "train.log"
        wait_until(lambda: "begun" in log.read_text())
        assert alive(child)
        app.send_signal(number)
        app.wait(20)
    wait_until(lambda: not alive(child), 30)


STARTED = """
    import sys, time
    from pathlib import Path

    sys.path[:0] = sys.argv[2:]
    from app import background

    training = background.DemoTraining(Path(sys.argv[1]))
    training.start()
    while training.running:
        time.sleep(0.05)
    print(training.failure, end="")
"""


@pytest.mark.parametrize("installed", [False, True])
def test_training_runs_no_code_from_the_folder_of_models(installed, tmp_path):
    """Nor from the one that the app is started in: others may have written what lies there."""
    site, runs, trace = tmp_path / "site", tmp_path / "runs", tmp_path / "trace"
    package = site / "md4keras"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    beside = package if installed else site  # where the app and the recipes are
    shutil.copytree(ROOT / "app", beside / "app")
    (beside / "train").mkdir()
    for name in ("digits", "pydoc"):
        recipe = f"import types\nDEMO = types.SimpleNamespace(name={name!r})\n"
        (beside / "train" / f"{name}.py").write_text(recipe)
    (beside / "train" / "demo.py").write_text("import json, numpy, md4keras\nprint('trained')\n")
    for folder in (runs, runs / "demo"):
        folder.mkdir()
        for name in ("json", "numpy", "keras", "md4keras", "train", "runpy", "signal"):
            (folder / f"{name}.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if installed:
        environment["PYTHONPATH"] = str(site)
    paths = [str(runs / "demo"), str(beside), str(site)]
    command = [sys.executable, "-P", "-c", textwrap.dedent(STARTED), *paths]
    done = subprocess.run(
        command, env=environment, cwd=runs, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (runs / "demo" / "train.log").read_text() == "trained\n"
    assert not trace.exists()
