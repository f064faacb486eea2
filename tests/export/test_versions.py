"""Version folders appear complete or not at all, whenever an export is killed."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import md4keras
from md4keras.export import versions
from tests.export.conftest import text_model

pytestmark = pytest.mark.one_backend

# Forks writers of many small files and kills each at a fraction of the time that one needs.
WRITER = """
import os, sys, time
from pathlib import Path
from md4keras.export import versions
out = Path(sys.argv[1])

def write(number, wait):
    child = os.fork()
    if child == 0:
        with versions.new_version(out, number) as new:
            for i in range(20):
                (new.content / str(i)).write_bytes(bytes(5000))
        os._exit(0)
    if wait is not None:
        time.sleep(wait)
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    return "whole" if status == 0 else "killed"

start = time.monotonic()
print(1, write(1, None))
whole = time.monotonic() - start
for number, fraction in enumerate(sys.stdin, 2):
    print(number, write(number, float(fraction) * whole), flush=True)
"""


def test_a_version_is_whole_or_missing_wherever_its_writer_is_killed(tmp_path):
    rng = random.Random(0)
    out = tmp_path / "out"
    orders = "".join(f"{rng.uniform(0.0, 2.0)}\n" for _ in range(40))
    command = [sys.executable, "-c", WRITER, str(out)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, input=orders, text=True, capture_output=True, check=True, env=environment
    )
    ends = dict(line.split() for line in done.stdout.splitlines())
    assert len(ends) == 41 and set(ends.values()) == {"whole", "killed"}
    found = versions.versions(out)
    for number in found:  # a killed one may have been killed after its rename
        assert len(list((out / str(number)).iterdir())) == 20
        assert all(f.stat().st_size == 5000 for f in (out / str(number)).iterdir())
    assert {int(n) for n, end in ends.items() if end == "whole"} <= set(found)


def test_what_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), versions.new_version(tmp_path / "a" / "b") as new:
        (new.content / "half").write_text("")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with pytest.raises(RuntimeError), versions.new_version(tmp_path / "mine"):
        raise RuntimeError
    assert list((tmp_path / "mine").iterdir()) == []


def test_two_exports_at_once_get_two_numbers(tmp_path):
    with versions.new_version(tmp_path) as first, versions.new_version(tmp_path) as second:
        (first.content / "first").write_text("")
        (second.content / "second").write_text("")
    assert (first.path.name, second.path.name) == ("2", "1")  # in the order in which they ended
    assert (tmp_path / "2" / "first").exists() and (tmp_path / "1" / "second").exists()
    with pytest.raises(ValueError, match="The version exists"):
        with versions.new_version(tmp_path, 5), versions.new_version(tmp_path, 5) as other:
            (other.content / "file").write_text("")
    assert versions.versions(tmp_path) == [1, 2, 5]


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path):
    with versions.new_version(tmp_path) as running:
        for path in (old := tmp_path / ".export-old", young := tmp_path / ".export-young"):
            (path / "version").mkdir(parents=True)
        hour_ago = time.time() - 3600
        for path in (old, running.content.parent):
            os.utime(path, (hour_ago, hour_ago))
        with versions.new_version(tmp_path):
            pass
        assert not old.exists()
        assert young.exists()  # it may be of an export that has just begun
        (running.content / "file").write_text("")  # and one that runs is locked
    assert versions.versions(tmp_path) == [1, 2]
    assert oct((tmp_path / "2").stat().st_mode & 0o777) == oct(0o777 & ~_umask())


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_numbers_count_up(tmp_path):
    assert versions.check_target(tmp_path / "out", None) == 1
    for name in ("1", "7", "old", ".export-8"):
        (tmp_path / "out" / name).mkdir(parents=True)
    assert versions.check_target(tmp_path / "out", None) == 8
    assert versions.check_target(tmp_path / "out", 3) == 3
    for version in (7, 0, -1, 1.5, True, 2**63):
        with pytest.raises(ValueError, match="version"):
            versions.check_target(tmp_path / "out", version)


def test_other_places_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="leads through a file"):
        versions.check_target(tmp_path / "file", None)
    md4keras.save_model(text_model(), tmp_path / "model")
    with pytest.raises(ValueError, match="holds a saved model"):
        versions.check_target(tmp_path / "model", None)


@pytest.mark.slow
def test_an_export_killed_at_random_leaves_nothing_that_a_server_would_load(tmp_path):
    md4keras.save_model(text_model(), tmp_path / "model")
    command = [sys.executable, "-c", "from md4keras.cli import main; main()", "export"]
    command += [str(tmp_path / "model"), str(tmp_path / "out"), "--signatures", "serving_default"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def start():
        # A session of its own, so that the child of the export is killed with it.
        return subprocess.Popen(
            command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
        )

    began = time.monotonic()
    assert start().wait() == 0
    whole = time.monotonic() - began
    rng = random.Random(0)
    killed = 0
    for _ in range(20):
        process = start()
        time.sleep(rng.uniform(0.0, 1.05 * whole))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        for number in versions.versions(tmp_path / "out"):
            content = {path.name for path in (tmp_path / "out" / str(number)).iterdir()}
            assert content == {
                "saved_model.pb",
                "fingerprint.pb",
                "variables",
                "assets",
                "assets.extra",
            }
            extra = tmp_path / "out" / str(number) / "assets.extra"
            assert {path.name for path in extra.iterdir()} == {
                "manifest.json",
                "tf_serving_warmup_requests",
            }
    assert killed >= 10
