"""Samplers that mask again or draw anew, in an export: the tokens and calls of the model itself."""

import numpy as np
import pytest

from md4keras import samplers
from md4keras.export import Limits, export_saved_model
from tests.export.conftest import text_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("export")]

LENGTH = 12
DRAW = {"seed": 4, "temperature": 0.9, "top_p": 1.0}
STEPS = DRAW | {"num_steps": 6, "time_grid": "cosine"}


@pytest.mark.parametrize("name", ["psi", "path_planning", "corrector"])
def test_an_export_draws_what_the_model_draws(name, tmp_path, ask):
    model, folder = text_model(), tmp_path / "served"
    names = ("generate", "infill", "denoise_step")
    limits = Limits(num_samples=8, num_steps=32)
    export_saved_model(model, folder, sampler=name, signatures=names, limits=limits, verbose=False)
    x = np.random.default_rng(0).integers(6, size=(3, LENGTH))
    mask = np.arange(LENGTH)[None] < np.array([[2], [7], [12]])
    t, s = samplers.make_time_grid(6)
    state = {"tokens": np.full((3, LENGTH), 6), "memory": np.zeros((3, LENGTH))}
    requests = [
        ("generate", STEPS | {"num_samples": 3, "length": LENGTH}),
        ("infill", STEPS | {"tokens": x, "mask": mask, "start_time": 0.0}),
    ]
    for step, (now, then) in enumerate([*zip(t, s, strict=True), (0.0, 0.0)]):
        here = {key: ("earlier", 1 + step, key) for key in state} if step else state
        times = {"t": now, "s": then, "step": step, "start_time": 1.0}
        requests.append(("denoise_step", DRAW | here | times))
    generated, filled, *_, last = ask(folder / "1", requests)
    settings = {"sampler": name, "num_steps": 6, "seed": 4, "temperature": 0.9}
    *_, wanted = model.sample_steps(3, length=LENGTH, **settings)
    np.testing.assert_array_equal(generated["tokens"], wanted.tokens)
    assert generated["network_calls"] == wanted.calls
    np.testing.assert_array_equal(last["tokens"], wanted.tokens)
    np.testing.assert_array_equal(filled["tokens"], model.infill(x, mask, **settings))
