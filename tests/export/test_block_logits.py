"""Block after block, a client keeps keys and values: the logits are those of the whole text."""

import numpy as np
import pytest

from tests.export.test_c_api import C_API, INVALID_ARGUMENT, named
from tests.reference import array

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("export")]

LABELS, SIZE, LENGTH = np.array([0, 2]), 4, 18  # the last block is a half
NONE = np.zeros((2, 4, 0, 2, 4), "float32")  # [layers, rows and guidance's, tokens, heads, size]
DRAW = {"num_steps": 2, "time_grid": "cosine", "seed": 0, "temperature": 1.0, "top_p": 1.0}
DRAW |= {"guidance": 1.0, "start_time": 0.0}


@pytest.fixture(params=["SavedModel", "C API"])
def answer(request, exported, ask):
    """`answer(signature, inputs)`, in a process with TensorFlow alone, or its C API alone."""
    version = exported("blocks")[1] / "1"

    def asked(signature, inputs):
        inputs = {"labels": LABELS} | inputs
        if request.param == "SavedModel":
            return ask(version, [(signature, inputs)])[0]
        return ask(version, [named(version, signature, inputs)], C_API)[0]

    return asked


def test_at_every_block_logits_with_and_without_the_cache_are_equal(answer, exported):
    model, rng = exported("blocks")[0], np.random.default_rng(0)
    x = rng.integers(6, size=(2, LENGTH))
    zt, kept = np.where(rng.random(x.shape) < 0.6, 6, x), {"keys": NONE, "values": NONE}
    for begin in range(0, LENGTH, SIZE):
        block = slice(begin, begin + SIZE)
        cached = answer("block_logits", kept | {"tokens": zt[:, block]})["logits"]
        whole = np.concatenate([x[:, :begin], zt[:, block]], axis=1)
        served = answer("serving_default", {"tokens": whole})["logits"]
        expected = array(model.predict_logits(whole, None, LABELS))
        np.testing.assert_allclose(cached, served[:, block], atol=1e-5)
        np.testing.assert_allclose(cached, expected[:, block], atol=1e-5)
        if begin + SIZE <= LENGTH:
            finished = answer("next_block", kept | DRAW | {"tokens": x[:, block]})
            np.testing.assert_array_equal(finished["tokens"], x[:, block])
            kept = {name: finished[name] for name in ("keys", "values")}
    assert kept["keys"].shape == (2, 4, 16, 2, 4)


def test_what_does_not_fit_is_refused(answer):
    block, few = np.full((2, SIZE), 6), np.zeros((2, 4, 3, 2, 4), "float32")
    bad = [
        ("next_block", DRAW | {"tokens": block, "keys": few, "values": few}, "a multiple of 4"),
        ("block_logits", {"tokens": block, "keys": few, "values": few}, "a multiple of 4"),
        (
            "block_logits",
            {"tokens": block, "keys": NONE[:, :2], "values": NONE[:, :2]},
            "a row for",
        ),
        ("block_logits", {"tokens": np.full((2, 5), 6), "keys": NONE, "values": NONE}, "1 to 4"),
        ("block_logits", {"tokens": block + 1, "keys": NONE, "values": NONE}, "vocabulary"),
    ]
    for signature, inputs, message in bad:
        found = answer(signature, inputs)
        if isinstance(found, tuple):  # the C API tells the code, too
            code, found = found
            assert code == INVALID_ARGUMENT
        assert message in found, (signature, found)
