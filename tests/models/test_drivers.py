"""The compiled and the stepwise driver, batch sizes and backends: the same tokens."""

import numpy as np
import pytest

from md4keras import MD4, GenMD4
from md4keras.networks import Transformer, UNet
from tests.models.weights import randomised

NAMES = ["ancestral", "mean", "top_p", "top_k", "event", "first_hitting", "confidence", "remasking"]
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
    settings = {"sampler": sampler, "num_steps": 7, "seed": 5, "return_network_calls": True}
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
    tokens, calls = model.generate(16, **settings_of(kind, sampler, 16))
    again, states, counted = model.generate(
        16, **settings_of(kind, sampler, 16), return_trajectory=True
    )
    np.testing.assert_array_equal(tokens, again)
    alone, _ = model.generate(1, **settings_of(kind, sampler, 1))
    np.testing.assert_array_equal(alone, tokens[:1])
    np.testing.assert_array_equal(states[-1], tokens)
    assert calls == counted and (states[0] == 5).all()
    assert ((tokens >= 0) & (tokens < 5)).all()
    assert len(states) == (calls if sampler in PLANNED else 7) + 1
    assert calls == {"first_hitting": 12}.get(sampler, calls) and calls <= 12


@pytest.mark.parametrize("kind", ["GenMD4", "guided text", "guided image"])
def test_drivers_and_batch_sizes_agree_when_gaps_are_filled(kind, models):
    """With another mask in every row."""
    model = models[kind]
    shape = model.network.data_shape
    rng = np.random.default_rng(0)
    x, mask = rng.integers(0, 5, (16, *shape), "int32"), rng.random((16, *shape)) < 0.4
    mask[:, 0] = True
    filled, _ = model.infill(x, mask, **settings_of(kind, "ancestral", 16))
    again, states, _ = model.infill(
        x, mask, **settings_of(kind, "ancestral", 16), return_trajectory=True
    )
    np.testing.assert_array_equal(filled, again)
    assert (states[:, ~mask] == x[~mask]).all()
    alone, _ = model.infill(x[:1], mask[:1], **settings_of(kind, "ancestral", 1))
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
    tokens, _ = models[kind].generate(1, **settings_of(kind, sampler, 1))
    assert tokens.ravel().tolist() == DRAWN[kind, sampler]


@pytest.mark.parametrize("sampler", ["ancestral", "event"])
def test_each_step_is_reported_and_can_be_the_last(sampler, models):
    model, seen = models["text"], []
    settings = settings_of("text", sampler, 3)
    tokens, states, calls = model.generate(
        3, **settings, return_trajectory=True, on_step=lambda *state: seen.append(state)
    )
    counts, most, reported = zip(*seen, strict=True)
    np.testing.assert_array_equal(np.stack(reported), states[1:])
    assert list(counts) == sorted(counts) and counts[-1] == calls <= min(most)
    np.testing.assert_array_equal(
        tokens, model.generate(3, **settings, on_step=lambda *state: None)[0]
    )

    def stop(calls, most, tokens):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        model.infill(np.zeros((1, 12), "int32"), np.ones(12, bool), on_step=stop)
