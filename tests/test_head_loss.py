"""The head and the loss in chunks of masked rows are the definition on all logits."""

import types

import keras
import numpy as np
import pytest
from keras import ops

from md4keras import head_loss, losses
from tests.compiled import one_program
from tests.gradients import gradients_of
from tests.reference import array

WIDTH = 8


class Schedule:
    """As `losses` knows a learned schedule: exponents that are a variable."""

    def __init__(self, power):
        self.power = power

    def token_power(self, x):
        return ops.take(self.power, x)


def case(vocabulary_size, rows, masked_rows, bias=False):
    """Variables and tensors of a loss over some rows, of which the first in random order count."""
    rng = np.random.default_rng(0)
    names = {
        "features": rng.normal(size=(rows, WIDTH)),
        "kernel": rng.normal(size=(WIDTH, vocabulary_size)),
        **({"bias": rng.normal(size=vocabulary_size)} if bias else {}),
        "weight": rng.uniform(0.1, 2.0, rows),
        "power": rng.uniform(0.5, 2.0, vocabulary_size),
    }
    variables = {
        name: keras.Variable(value.astype("float32"), name=name) for name, value in names.items()
    }
    x = rng.integers(0, vocabulary_size, rows).astype("int32")
    masked = np.zeros(rows, bool)
    masked[rng.permutation(rows)[:masked_rows]] = True
    return variables, ops.convert_to_tensor(x), masked


def dense(variables, x, masked, general):
    """The definition: one row an example, all logits at once. Objective and costs."""
    logits = ops.matmul(variables["features"], variables["kernel"])  # [N, V]
    logits = logits + variables["bias"] if "bias" in variables else logits
    vocabulary_size = logits.shape[-1]
    logits, x = logits[:, None], x[:, None]  # N examples of one position
    zt = ops.where(ops.convert_to_tensor(masked)[:, None], vocabulary_size, x)
    if general:
        costs = losses.genmd4_cost(logits, x, zt, Schedule(variables["power"]))
    else:
        costs = losses.masked_cross_entropy(logits, x, zt, vocabulary_size)
    return ops.sum(ops.convert_to_tensor(variables["weight"]) * costs), costs


def chunked(variables, x, masked, general):
    return head_loss.masked_objective(
        ops.convert_to_tensor(variables["features"]),
        variables["kernel"],
        x,
        ops.convert_to_tensor(masked),
        ops.convert_to_tensor(variables["weight"]),
        ops.convert_to_tensor(variables["power"]) if general else None,
        variables.get("bias"),
    )


def cost_alone(variables, x, masked, general):
    return head_loss.masked_cost(
        ops.convert_to_tensor(variables["features"]),
        variables["kernel"],
        x,
        ops.convert_to_tensor(masked),
        ops.convert_to_tensor(variables["power"]) if general else None,
        variables.get("bias"),
    )


def model_of(variables):
    return types.SimpleNamespace(
        trainable_variables=list(variables.values()), non_trainable_variables=[]
    )


def check(variables, x, masked, general):
    model = model_of(variables)
    # Which rows count is an argument, so that all cases have one program.
    wanted, got, alone = (
        one_program(lambda *rows, f=f: f(variables, *rows, general), model)(x, masked)
        for f in (dense, chunked, cost_alone)
    )
    for name, a, b in zip(("objective", "costs"), got, wanted, strict=True):
        scale = np.abs(array(b)).max() + 1e-6
        np.testing.assert_allclose(array(a), array(b), rtol=2e-6, atol=2e-6 * scale, err_msg=name)
    np.testing.assert_allclose(array(alone), array(got[1]), rtol=1e-6, atol=1e-6)
    gradients = [
        # Not the objective itself, so that the incoming gradient is not 1.
        gradients_of(model, lambda *rows, f=f: 3.0 * f(variables, *rows, general)[0], x, masked)
        for f in (dense, chunked)
    ]
    for name, wanted, got in zip(variables, *gradients, strict=True):
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5 * scale + 1e-9, err_msg=name)
    assert general or not gradients[1][-1].any()


@pytest.mark.parametrize("general", [False, True], ids=["md4", "genmd4"])
@pytest.mark.parametrize("masked_rows", [0, 1, 17, 40], ids=["none", "one", "some", "all"])
def test_small_vocabulary(masked_rows, general):
    check(*case(27, 40, masked_rows), general)


@pytest.mark.parametrize("general", [False, True], ids=["md4", "genmd4"])
def test_a_head_with_a_bias(general):
    check(*case(27, 40, 17, bias=True), general)


def test_vocabulary_of_gpt2():
    assert head_loss.chunk_rows(50_257, 400) == 320
    check(*case(50_257, 400, 321), general=False)


# Chunks have 320 rows here: none; less than one; exactly one; one row too many; all, in part.
# Not 50,257 tokens: on some CPUs JAX's gradient of the definition is then wrong by 3e-5, where the
# chunks are within 1e-6 of the same in float64.
@pytest.mark.parametrize("general", [False, True], ids=["md4", "genmd4"])
@pytest.mark.parametrize("masked_rows", [0, 100, 320, 321, 400])
def test_large_vocabulary(masked_rows, general, monkeypatch):
    monkeypatch.setattr(head_loss, "_CHUNK_VALUES", 320 * 8_000)
    assert head_loss.chunk_rows(8_000, 400) == 320
    check(*case(8_000, 400, masked_rows), general)


@pytest.mark.parametrize("masked_rows", [0, 4, 5, 11, 12])
def test_many_chunks(masked_rows, monkeypatch):
    monkeypatch.setattr(head_loss, "_CHUNK_VALUES", 4 * 27)
    monkeypatch.setattr(head_loss, "_CHUNKS", 100)
    assert head_loss.chunk_rows(27, 12) == 4
    check(*case(27, 12, masked_rows), general=True)


def test_rows_that_do_not_count_change_nothing():
    """Their features and tokens may be anything, even not finite."""
    variables, x, masked = case(27, 40, 17)
    run = one_program(lambda *rows: chunked(variables, *rows, general=True), model_of(variables))
    objective, costs = map(array, run(x, masked))
    features = array(variables["features"]).copy()
    features[~masked] = np.nan
    variables["features"].assign(features)
    again = map(array, run(x, masked))
    for a, b in zip(again, (objective, costs), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("vocabulary_size", [1, 27, 50_257, 10**8])
@pytest.mark.parametrize("rows", [1, 100, 8192, 10**6, None])
def test_chunks_have_a_size(vocabulary_size, rows):
    size = head_loss.chunk_rows(vocabulary_size, rows)
    assert 1 <= size <= min(4096, rows or 4096)
    assert size * vocabulary_size <= 2**24 or size in (1, 4096) or size == (rows or 0) // 16
