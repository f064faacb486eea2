"""README against what happens."""

import os
import re
import subprocess
import sys

import pytest

from tests.reference import ROOT


@pytest.mark.one_backend
def test_the_first_program_runs(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    for setting in ("epochs=1", "num_steps=2"):  # as few as can be
        name = setting.split("=")[0]
        program, count = re.subn(rf"\b{name}=\d+", setting, program)
        assert count == 1, f"README's first program has {count} settings of {name}"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "runs" / "first" / "config.json").is_file()
