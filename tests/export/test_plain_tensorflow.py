"""An export in TensorFlow alone: the functions of a loaded SavedModel have defaults."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from md4keras import samplers

pytestmark = pytest.mark.xdist_group("export")  # in one process: the exports are shared

WITHOUT_KERAS = """
import sys
for name in ("keras", "md4keras", "jax", "torch"):
    sys.modules[name] = None  # importing it fails
"""


def run(program: str, *arguments) -> str:
    """What a program prints in a process that has TensorFlow alone."""
    result = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_KERAS + program, *map(str, arguments)],
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_example_of_the_page_runs(exported):
    page = Path(__file__).parents[2] / "docs" / "export.md"
    section = page.read_text(encoding="utf-8").split("## In TensorFlow alone")[1]
    example = re.search(r"```python\n(.*?)```", section, re.S)[1]
    _, folder = exported("text")
    assert "exported/text8/1" in example
    printed = run(example.replace("exported/text8/1", str(folder / "1")))
    assert printed.startswith("['") and printed.rstrip().endswith("nats")


@pytest.mark.slow
def test_defaults_are_those_of_the_model_and_values_are_what_one_types(exported):
    model, folder = exported("text")
    printed = run(
        """
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
def show(answer):
    print(answer["tokens"].numpy().tolist())
show(loaded.generate())
for seed in (7, np.int32(7), np.int64(7), np.uint32(7), tf.constant(7, "int64")):
    show(loaded.generate(num_samples=2, length=4, seed=seed, temperature=1, time_grid="uniform"))
show(loaded.generate(seed=2**32 - 1))
rows, mask = [[0, 1, 2, 3]], [[True, False, True, True]]
show(loaded.infill(rows, mask))
show(loaded.infill(tokens=np.array(rows), mask=np.array(mask)))
show(loaded.infill(tokens=tf.constant(rows), mask=tf.constant(mask)))
for text in (["cab_"], np.array(["cab_"]), tf.constant(["cab_"])):
    print(float(loaded.score_text(text=text)["nelbo"][0]))
print(loaded.serving_default(tokens=rows, time=[0.5])["logits"].shape)
""",
        folder / "1",
    )
    lines = [eval(line) for line in printed.splitlines()]
    steps = {"num_steps": 32, "time_grid": "cosine"}  # the export's limit of steps

    def generated(*arguments, **more):
        return model.generate(*arguments, **{**steps, **more}).tolist()

    assert lines[0] == generated(1, seed=0)
    *_, last = model.sample_steps(
        2, data_shape=(4,), seed=7, sampler=samplers.Ancestral(), num_steps=32, time_grid="uniform"
    )
    assert lines[1:6] == [np.asarray(last.tokens).tolist()] * 5
    assert lines[6] == generated(1, seed=2**32 - 1)
    rows, mask = np.array([[0, 1, 2, 3]]), np.array([[True, False, True, True]])
    assert lines[7:10] == [model.infill(rows, mask, seed=0, **steps).tolist()] * 3
    nelbo, _ = model.score(model.tokenizer.encode("cab_")[None], seed=0, num_samples=16)
    np.testing.assert_allclose(lines[10:13], [float(nelbo[0])] * 3, rtol=1e-5)
    assert lines[13] == (1, 4, 6)


@pytest.mark.slow
def test_a_model_with_classes_and_a_memory_has_defaults_too(exported):
    _, folder = exported("image")
    printed = run(
        """
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
first = loaded.generate(labels=[1])["tokens"]
print(first.shape, bool(tf.reduce_all(first == loaded.generate([1], seed=0, guidance=1)["tokens"])))
tokens = np.full((1, 4, 4, 1), 300)
step = loaded.denoise_step(tokens, memory=np.zeros((1, 4, 4, 1)), labels=[0], t=1, s=0)
print(step["tokens"].shape)
for name in ("generate", "score", "serving_default"):
    try:
        getattr(loaded, name)()
    except TypeError as error:
        print("missing a required argument" in str(error))
""",
        folder / "1",
    )
    assert printed.splitlines() == ["(1, 4, 4, 1) True", "(1, 4, 4, 1)", *["True"] * 3]
