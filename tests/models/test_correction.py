"""Psi, path planning and the corrector in a model: drivers, gaps, guidance, blocks, calls, laws."""

import numpy as np
import pytest
from keras import ops

from md4keras import MD4, samplers
from md4keras.evaluation.sources import Enumerable
from md4keras.export.reverse import RequestedProcess
from md4keras.networks import Transformer
from tests.models.tabular import FixedLogits, chi_square, count_states
from tests.models.weights import randomised
from tests.reference import array

SAMPLERS = {
    "psi": samplers.Psi(kappa=0.5),
    "path_planning": samplers.PathPlanning(),
    "corrector": samplers.Corrector(num_candidates=3),
}


@pytest.fixture(scope="module")
def model():
    network = Transformer(
        5, 12, num_layers=1, num_heads=2, feature_dim=8, num_classes=3, label_dropout=0.1
    )
    return randomised(MD4(network))


@pytest.mark.parametrize("name", SAMPLERS)
def test_drivers_batches_and_calls_agree(name, model):
    """Guided; the compiled loop, the stepwise one, and a batch of one."""
    settings = {"sampler": SAMPLERS[name], "num_steps": 7, "seed": 5, "guidance_scale": 2.0}
    tokens = model.generate(8, np.arange(8) % 3, **settings)
    states = list(model.sample_steps(8, np.arange(8) % 3, **settings))
    np.testing.assert_array_equal(states[-1].tokens, tokens)
    assert ((tokens >= 0) & (tokens < 5)).all()
    np.testing.assert_array_equal(model.generate(1, [0], **settings), tokens[:1])
    calls, zt = [state.calls for state in states], np.stack([state.tokens for state in states])
    each = 2 if name == "corrector" else 1
    assert {state.most_calls for state in states} == {7 * each + 1}
    assert len(states) == 8 and calls[0] == 0 and calls[-1] in (7 * each, 7 * each + 1)
    assert set(np.diff(calls[:-1])) <= {1, each}
    again = ((zt[:-1] != 5) & (zt[1:] == 5)).any()  # masked again
    anew = ((zt[:-1] != 5) & (zt[1:] != 5) & (zt[1:] != zt[:-1])).any()  # drawn anew
    assert again == (name != "corrector") and anew == (name == "corrector")


@pytest.mark.parametrize("name", SAMPLERS)
def test_what_is_given_stays(name, model):
    rng = np.random.default_rng(1)
    x, mask = rng.integers(0, 5, (8, 12), "int32"), rng.random((8, 12)) < 0.5
    mask[:, 0] = True
    settings = {"sampler": SAMPLERS[name], "num_steps": 7, "seed": 2, "labels": np.arange(8) % 3}
    states = np.stack([state.tokens for state in model.infill_steps(x, mask, **settings)])
    assert (states[:, ~mask] == x[~mask]).all() and states[-1].max() < 5


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_texts_in_blocks_and_without_temperature(name, model):
    settings = {"sampler": SAMPLERS[name], "num_steps": 6, "temperature": 0.0, "labels": [0, 1]}
    prompt = [np.array([1, 2, 3]), np.array([4])]
    texts = model.generate(prompt=prompt, length=8, block_length=4, **settings)
    for text, start in zip(texts, prompt, strict=True):
        np.testing.assert_array_equal(text[: len(start)], start)
        assert len(text) == len(start) + 8 and text.max() < 5
    (*_, last) = model.generate_blocks(2, length=20, **settings)
    assert np.shape(last)[0] == 2 and np.max(last) < 5


@pytest.mark.parametrize(
    "sampler",
    [samplers.Psi(), samplers.Psi(kappa="forward_backward"), samplers.Corrector(num_candidates=1)],
    ids=repr,
)
def test_samples_have_the_distribution(sampler):
    """With the exact denoiser; chi-square over 27 states, one false alarm in 1000 seeds each.

    (At so many steps; at 128, forward-backward is seen to draw several tokens in one.)
    """
    joint = Enumerable.random(3, 3).joint
    model = MD4(Enumerable(joint).denoiser())
    samples = model.generate(2000, sampler=sampler, num_steps=512, seed=12)
    assert chi_square(count_states(samples, 3), joint) > 1e-3


def test_gaps_are_filled_on_schedule_while_tokens_are_masked_again():
    """A tenth is masked; after half of 64 even steps half of that is, within 4 standard errors."""
    model = MD4(FixedLogits(np.zeros(3), count=200))
    x, mask = np.zeros((100, 200), "int32"), np.arange(200) < 20
    settings = {"num_steps": 64, "time_grid": "uniform"}
    for sampler in (samplers.Psi(kappa=0.7), samplers.PathPlanning()):
        steps = model.infill_steps(x, mask, sampler=sampler, **settings)
        states = np.stack([state.tokens for state in steps])
        assert abs((states[32] == 3)[:, mask].mean() - 0.5) < 4 * 0.5 / np.sqrt(2000)
        assert not (states[:, :, ~mask] == 3).any()
        assert ((states[:-1] != 3) & (states[1:] == 3)).sum() > 100


@pytest.mark.parametrize("name", SAMPLERS)
def test_steps_of_an_export_are_those_of_the_model(name, model):
    """One by one, with memory and calls, as a graph takes them (the graph: tests/export)."""
    labels = np.arange(4) % 3
    settings = {"sampler": SAMPLERS[name], "num_steps": 5, "seed": 3, "temperature": 0.8}
    *_, wanted = model.sample_steps(4, labels, **settings)
    t, s = (np.append(times, np.float32(0)) for times in samplers.make_time_grid(5))
    z = ops.convert_to_tensor(np.full((4, 12), 5, "int32"))
    remembered, given, calls = SAMPLERS[name].first_memory(z, 5), ops.zeros((4, 12), "bool"), 0
    for step in range(6):
        request = {"t": t[step], "s": s[step], "start_time": np.float32(1), "top_p": 1.0}
        request |= {"temperature": np.float32(0.8), "labels": labels, "step": np.int32(step)}
        request = {key: ops.convert_to_tensor(value) for key, value in request.items()}
        request["seed"] = 3
        process = RequestedProcess(model, SAMPLERS[name], request)
        state = process.run_step(z, given, remembered)
        z, remembered, calls = state.z, state.remembered, calls + int(array(state.calls))
        if not (array(z) == 5).any() and step == 4:
            break
    np.testing.assert_array_equal(array(z), wanted.tokens)
    assert calls == wanted.calls
