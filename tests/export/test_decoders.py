"""Adaptive and planned samplers in the graph: calls, memory, temperature; built in this process."""

import numpy as np
import pytest

from md4keras import MD4, BlockDiffusion, backend, samplers
from md4keras.evaluation.sources import Enumerable
from md4keras.networks import DiT
from md4keras.samplers import make_time_grid

tf = pytest.importorskip("tensorflow")

from md4keras.export import Limits  # noqa: E402
from md4keras.export.signatures import Signatures  # noqa: E402

pytestmark = pytest.mark.skipif(backend.NAME != "tensorflow", reason="exports are built there")

DRAW = {"seed": 3, "temperature": 1.0, "top_p": 1.0}
KLASS = samplers.Klass(threshold=0.5, divergence=0.5, history=1)


def signatures(sampler):
    network = Enumerable.random(3, 4).denoiser()
    network.table.assign(2 * np.random.default_rng(0).normal(size=network.table.shape))
    model = MD4(network)
    model.tokenizer = None
    return model, Signatures(model, sampler, Limits())


def ask(signature, **inputs):
    """The answer of a signature to inputs by name, as a server gives it."""
    types = {each.name: each.dtype for each in signature.arguments}
    assert set(inputs) == set(types)
    tensors = {name: tf.constant(value, types[name]) for name, value in inputs.items()}
    answer = signature.function(lambda: None)(**tensors)
    return {name: value.numpy() for name, value in answer.items()}


@pytest.mark.parametrize("sampler", ["confidence", "entropy_bound", KLASS], ids=str)
def test_a_request_takes_the_calls_of_the_model(sampler):
    model, found = signatures(samplers.get(sampler))
    how = {"num_steps": 12, "time_grid": "uniform"}
    for temperature in (1.0, 0.0):
        asked = DRAW | how | {"temperature": temperature, "num_samples": 5, "length": 4}
        answer = ask(found.generate(), **asked)
        drawn = how | {"temperature": temperature, "seed": 3, "sampler": sampler}
        *_, last = model.sample_steps(5, **drawn)
        np.testing.assert_array_equal(answer["tokens"], last.tokens)
        assert answer["network_calls"] == last.calls <= 4


def test_steps_carry_a_memory_of_several_tensors():
    """A loop of `denoise_step` outside gives what `generate` gives inside, step by step."""
    model, found = signatures(KLASS)
    step = found.denoise_step()
    names = [each.name for each in step.arguments]
    assert names[:3] == ["tokens", "memory", "memory_mu"]
    assert step.arguments[2].shape == (None, None, 3)
    assert {"memory", "memory_mu"} < set(step.outputs)
    given = np.zeros((2, 4), bool)
    given[:, 1] = True
    state = {
        "tokens": np.where(given, 2, 3),
        "memory": np.where(given, np.inf, 0.0),
        "memory_mu": np.zeros((2, 4, 3)),
    }
    how = {"sampler": KLASS, "num_steps": 3, "seed": 3, "start_time": 1.0}
    states = list(model.infill_steps(state["tokens"], ~given, **how))
    for number, (t, s) in enumerate(zip(*make_time_grid(3), strict=True)):
        if not (state["tokens"] == 3).any():
            break
        state = ask(step, **state, **DRAW, t=t, s=s, step=number, start_time=1.0)
        np.testing.assert_array_equal(state["tokens"], states[number + 1].tokens)
    np.testing.assert_array_equal(np.isinf(state["memory"]), given)
    short = state | {"memory_mu": np.zeros((1, 4, 3)), "tokens": np.full((2, 4), 3)}
    with pytest.raises(tf.errors.InvalidArgumentError, match="memory_mu is not like tokens"):
        ask(step, **short, **DRAW, t=1.0, s=0.5, step=0, start_time=1.0)


EMPTY = samplers.Ancestral(filters=lambda logits: logits - 1e9)


def test_filters_that_leave_nothing_are_refused():
    model, found = signatures(EMPTY)
    request = DRAW | {"num_samples": 2, "length": 4, "num_steps": 2, "time_grid": "cosine"}
    with pytest.raises(tf.errors.InvalidArgumentError, match="left nothing to draw"):
        ask(found.generate(), **request)


@pytest.mark.parametrize("name", ["next_block", pytest.param("generate", marks=pytest.mark.slow)])
def test_blocks_that_filters_leave_nothing_of_are_refused(name):
    network = DiT(3, 4, num_layers=1, num_heads=2, hidden_dim=8)
    found = Signatures(BlockDiffusion(network, block_size=2), EMPTY, Limits())
    how, none = DRAW | {"num_steps": 2, "time_grid": "cosine"}, np.zeros((1, 1, 0, 2, 4))
    request = {
        "next_block": {"tokens": [[3, 3]], "keys": none, "values": none, "start_time": 0.0},
        "generate": {"num_samples": 1, "length": 4},
    }[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match="left nothing to draw"):
        ask(getattr(found, name)(), **how, **request)
