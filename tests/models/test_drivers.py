"""The compiled and the stepwise driver, batch sizes and backends: the same tokens."""

import numpy as np
import pytest

from md4keras import MD4, GenMD4, samplers, schedules
from md4keras.networks import Transformer, UNet
from tests.models.weights import randomised

NAMES = ["ancestral", "mean", "top_p", "top_k", "event", "first_hitting", "confidence", "remasking"]
NAMES += ["klass"]
PLANNED = ("event", "first_hitting")


def text_model(kind=MD4, **network):
    return randomised(kind(Transformer(5, 12, num_layers=1, num_heads=2, feature_dim=8, **network)))


@pytest.fixture(scope="module")
def models():
    general = text_model(GenMD4)
    general.schedule.theta.assign(np.linspace(-0.5, 2.0, 5))
    image = UNet(5, (4, 3, 1), num_layers=0, feature_dim=64, num_classes=2, label_dropout=0.1)
    return {
        "text": text_model(),
        "GenMD4": general,
        "guided text": text_model(num_classes=3, label_dropout=0.1),
        "guided image": randomised(MD4(image)),
    }


def settings_of(kind, sampler, count):
    settings = {"sampler": sampler, "num_steps": 7, "seed": 5}
    if kind.startswith("guided"):
        settings |= {"labels": np.arange(count) % 2, "guidance_scale": 2.0}
    return settings


@pytest.mark.parametrize(
    "kind, sampler",
    [
        *(("text", name) for name in NAMES),
        ("GenMD4", "ancestral"),
        ("GenMD4", "confidence"),
        ("guided text", "ancestral"),
        ("guided text", "event"),
        ("guided image", "ancestral"),
        ("guided image", "event"),
    ],
)
def test_drivers_and_batch_sizes_agree_token_for_token(kind, sampler, models):
    model = models[kind]
    tokens = model.generate(16, **settings_of(kind, sampler, 16))
    states = list(model.sample_steps(16, **settings_of(kind, sampler, 16)))
    np.testing.assert_array_equal(states[-1].tokens, tokens)
    alone = model.generate(1, **settings_of(kind, sampler, 1))
    np.testing.assert_array_equal(alone, tokens[:1])
    assert (states[0].tokens == 5).all() and ((tokens >= 0) & (tokens < 5)).all()
    assert {state.most_calls for state in states} == {states[0].most_calls}


@pytest.mark.parametrize("sampler", NAMES)
def test_the_calls_are_those_that_the_sampler_needs(sampler, models):
    states = list(models["text"].sample_steps(16, **settings_of("text", sampler, 16)))
    calls = [state.calls for state in states]
    left = np.array([(state.tokens == 5).sum(axis=1) for state in states])  # [steps + 1, 16]
    if sampler in PLANNED:  # a row is done after its own events, the batch after the most of them
        assert calls == list(range(len(states)))
        assert calls[-1] == (np.diff(left, axis=0) < 0).sum(axis=0).max() == states[0].most_calls
        assert sampler == "event" or calls[-1] == 12
    elif sampler == "confidence":  # of 12 masks the first step leaves round(11.7): it is idle
        assert calls == list(range(7)) and states[0].most_calls == 6
        assert (np.diff(left, axis=0) < 0).all()
    elif sampler == "klass":  # at least one at each, and all that is left at the seventh
        assert calls == list(range(8)) and states[0].most_calls == 7
    else:  # a call a step, and one for what is still masked
        assert calls[:-1] == list(range(7)) and states[0].most_calls == 8
        assert calls[-1] in (7, 8)


def test_a_last_call_fills_what_the_steps_have_left(models):
    """At one even step from time 1 a tenth of all positions stays masked."""
    schedule = schedules.Linear(eps=0.1)
    model = MD4(models["text"].network, schedule=schedule)
    first, last = model.sample_steps(200, num_steps=1, time_grid="uniform")
    assert (first.tokens == 5).all() and last.calls == 2 and last.tokens.max() < 5


@pytest.mark.parametrize("kind", ["GenMD4", "guided text", "guided image"])
def test_drivers_and_batch_sizes_agree_when_gaps_are_filled(kind, models):
    """With another mask in every row."""
    model = models[kind]
    shape = model.network.data_shape
    rng = np.random.default_rng(0)
    x, mask = rng.integers(0, 5, (16, *shape), "int32"), rng.random((16, *shape)) < 0.4
    mask[:, 0] = True
    settings = settings_of(kind, "ancestral", 16)
    filled = model.infill(x, mask, **settings)
    states = np.stack([state.tokens for state in model.infill_steps(x, mask, **settings)])
    np.testing.assert_array_equal(states[-1], filled)
    assert (states[:, ~mask] == x[~mask]).all() and (states[0][mask] == 5).all()
    alone = model.infill(x[:1], mask[:1], **settings_of(kind, "ancestral", 1))
    np.testing.assert_array_equal(alone, filled[:1])


# Drawn once under JAX from these weights; backends differ by rounding alone.
DRAWN = {
    ("text", "ancestral"): [4, 1, 2, 2, 0, 2, 2, 3, 2, 2, 0, 3],
    ("text", "event"): [0, 2, 0, 2, 2, 2, 3, 2, 2, 2, 2, 4],
    ("text", "confidence"): [4, 2, 2, 4, 2, 0, 3, 0, 3, 2, 3, 4],
    ("text", "remasking"): [4, 1, 2, 2, 0, 2, 2, 3, 2, 2, 0, 3],
    ("GenMD4", "ancestral"): [3, 1, 0, 2, 0, 2, 2, 3, 2, 2, 3, 3],
    ("guided text", "ancestral"): [4, 3, 3, 4, 0, 2, 4, 4, 4, 2, 0, 4],
    ("guided image", "event"): [0, 2, 0, 0, 3, 3, 3, 2, 2, 3, 2, 4],
}


@pytest.mark.parametrize("kind, sampler", DRAWN)
def test_every_backend_draws_the_same_tokens(kind, sampler, models):
    tokens = models[kind].generate(1, **settings_of(kind, sampler, 1))
    assert tokens.ravel().tolist() == DRAWN[kind, sampler]


@pytest.mark.parametrize("sampler", ["ancestral", "event"])
def test_a_run_stops_where_its_loop_is_left(sampler, models, monkeypatch):
    model, calls = models["text"], []
    process = samplers.get(sampler).make_process(model)
    advance = process._advance
    monkeypatch.setattr(process, "_advance", lambda *args: calls.append(1) or advance(*args))
    monkeypatch.setattr(model._functions, "get", lambda key, make: process)
    for state in model.infill_steps(np.zeros((1, 12), "int32"), np.ones(12, bool), sampler=sampler):
        if state.calls == 2:
            break
    assert len(calls) == 2


def test_bad_arguments_are_refused_before_the_first_state(models):
    with pytest.raises(ValueError, match="num_steps=0"):
        models["text"].sample_steps(1, num_steps=0)
    with pytest.raises(ValueError, match="nothing to fill in row 0"):
        models["text"].infill_steps(np.zeros((1, 12), "int32"), np.zeros(12, bool))
