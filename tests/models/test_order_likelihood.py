"""The likelihood of a sampler's order, against enumeration and against what the sampler draws."""

import keras
import numpy as np
import pytest
from keras import ops

from md4keras import MD4, GenMD4, samplers
from md4keras.evaluation.sources import Enumerable
from md4keras.models import order_likelihood
from md4keras.models.order_likelihood import PathProcess
from md4keras.models.settings import Settings
from md4keras.networks import Transformer
from md4keras.samplers import Confidence, LeftToRight, TopK
from md4keras.samplers.states import Start
from tests.models.tabular import FixedLogits, chi_square, count_states
from tests.models.weights import randomised

STATES = np.indices((3,) * 4).reshape(4, -1).T.astype("int32")  # all 81
SAMPLERS = [
    Confidence(ties="first"),
    Confidence(rule="margin", ties="first"),
    Confidence(rule="entropy", ties="first"),
    Confidence(filters=(TopK(2),), ties="first"),
    LeftToRight(),
]
NAMES = ["probability", "margin", "entropy", "filtered", "left_to_right"]


@pytest.fixture(scope="module")
def model():
    """Whose conditionals agree with no distribution, so that the order matters."""
    network = Enumerable.random(3, 4).denoiser()
    network.table.assign(np.random.default_rng(0).normal(size=network.table.shape))
    return MD4(network)


@pytest.mark.parametrize("num_steps", [1, 3, 9])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=NAMES)
def test_the_likelihoods_of_all_sequences_sum_to_one(model, sampler, num_steps):
    nats, error = model.score(STATES, sampler=sampler, num_steps=num_steps)
    assert nats.dtype == "float64" and not error.any()
    np.testing.assert_allclose(np.exp(-nats).sum(), 1.0, atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=NAMES)
def test_they_are_the_frequencies_of_what_is_drawn(model, sampler):
    """20,000 samples; the test errs once in 1,000 seeds, and this seed is fixed."""
    nats, _ = model.score(STATES, sampler=sampler, num_steps=3)
    drawn = model.generate(20_000, sampler=sampler, num_steps=3, seed=1)
    assert chi_square(count_states(drawn, 3), np.exp(-nats)) > 1e-3


class AsImage(keras.layers.Layer):
    """A network of four tokens as one of images of 2 x 2 pixels."""

    def __init__(self, network):
        super().__init__(autocast=False)
        self.network, self.data_shape, self.built = network, (2, 2, 1), True
        self.vocabulary_size = network.vocabulary_size
        self.num_classes, self.time_conditioned = None, False

    def call(self, inputs, training=None):
        rows = ops.reshape(inputs["tokens"], (-1, 4))
        return ops.reshape(self.network({"tokens": rows}), (-1, 2, 2, 1, self.vocabulary_size))


@pytest.mark.one_backend
def test_so_it_is_of_images_in_the_halton_order(model):
    """20,000 samples; the test errs once in 1,000 seeds."""
    images, how = MD4(AsImage(model.network)), {"sampler": "halton", "num_steps": 3}
    nats, _ = images.score(STATES.reshape(-1, 2, 2, 1), **how)
    np.testing.assert_allclose(np.exp(-nats).sum(), 1.0, atol=1e-5)
    drawn = images.generate(20_000, **how, seed=1)
    assert chi_square(count_states(drawn.reshape(-1, 4), 3), np.exp(-nats)) > 1e-3
    others, _ = model.score(STATES, sampler="left_to_right", num_steps=3)
    assert chi_square(count_states(drawn.reshape(-1, 4), 3), np.exp(-others)) < 1e-6


@pytest.mark.one_backend
def test_ties_go_to_the_first_position():
    """All positions alike: only the first half is revealed in the first of two calls."""
    model = MD4(FixedLogits([0.0, 1.0, 0.5], 4))
    states = list(model.sample_steps(8, sampler=Confidence(ties="first"), num_steps=2))
    revealed = np.asarray(states[1].tokens) != 3
    assert 0 < revealed[0].sum() < 4 and (revealed == revealed[0]).all()
    assert (np.sort(revealed[0])[::-1] == revealed[0]).all()  # the first ones
    by_chance = list(model.sample_steps(8, sampler="confidence", num_steps=2))[1].tokens != 3
    assert len(np.unique(by_chance, axis=0)) > 1


@pytest.mark.one_backend
@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_it_takes_as_many_network_calls_as_sampling(model, num_steps):
    sampler, settings = SAMPLERS[0], Settings(SAMPLERS[0], num_steps, "cosine", 1.0, 0, 1.0)
    *_, last = model.sample_steps(2, sampler=sampler, num_steps=num_steps)
    start = Start(np.full((2, 4), 3, "int32"), None, np.ones(2, "float32"))
    state = PathProcess(model, sampler).path_of(STATES[:2], start, settings)
    assert int(state.calls) == last.calls
    assert (np.asarray(state.z) == STATES[:2]).all()


@pytest.mark.one_backend
def test_what_is_given_is_a_condition(model):
    """Of the 9 completions of two given tokens; and their law is that of `infill`."""
    given = np.array([True, False, True, False])
    rows = STATES[(STATES[:, 0] == 1) & (STATES[:, 2] == 2)]
    for sampler in SAMPLERS:
        nats, _ = model.score(rows, given=given, sampler=sampler, num_steps=4)
        np.testing.assert_allclose(np.exp(-nats).sum(), 1.0, atol=1e-5)
    drawn = model.infill(
        np.repeat(rows[:1], 10_000, axis=0), ~given, sampler=SAMPLERS[-1], num_steps=4
    )
    counts = [(drawn == row).all(axis=1).sum() for row in rows]
    assert chi_square(counts, np.exp(-nats)) > 1e-3


@pytest.mark.one_backend
def test_a_token_that_a_filter_cuts_has_no_probability(model):
    nats, _ = model.score(STATES, sampler=Confidence(filters=(TopK(1),), ties="first"))
    assert np.isfinite(nats).sum() == 1  # the one that is always drawn
    (drawn,) = model.generate(1, sampler=Confidence(filters=(TopK(1),), ties="first"))
    assert (STATES[np.isfinite(nats)][0] == drawn).all()


@pytest.mark.one_backend
def test_a_large_example_is_possible(monkeypatch):
    """However much it costs in all: what a filter has cut away is seen at its own position."""
    monkeypatch.setattr(order_likelihood, "_CUT", 3.0)
    nats, _ = MD4(FixedLogits(np.zeros(5), 4)).score(STATES[:1], sampler="left_to_right")
    np.testing.assert_allclose(nats, 4 * np.log(5), rtol=1e-5)


@pytest.mark.one_backend
@pytest.mark.parametrize("cls", [MD4, pytest.param(GenMD4, marks=pytest.mark.slow)])
def test_neither_padding_nor_batches_change_it(cls):
    model = randomised(cls(Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)))
    texts = [np.random.default_rng(n).integers(0, 5, n) for n in (3, 8, 5)]
    how = {"sampler": "left_to_right", "num_steps": 8}
    together, _ = model.score(texts, **how)
    alone, _ = model.score(texts[0][None], **how)
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-5)
    np.testing.assert_allclose(model.score(texts, batch_size=2, **how)[0], together, rtol=1e-5)


@pytest.mark.one_backend
def test_mistakes(model):
    for sampler in ("ancestral", "event", Confidence(noise_temperature=1.0)):
        with pytest.raises(ValueError, match="do not depend on the state alone"):
            model.score(STATES, sampler=sampler)
    with pytest.raises(ValueError, match="nothing to bracket"):
        model.score(STATES, sampler="confidence", bracket=True)
    with pytest.raises(ValueError, match="Unknown sampler"):
        model.score(STATES, sampler="surest")
    with pytest.raises(ValueError, match="`ties`"):
        Confidence(ties="last")
    assert samplers.get("left_to_right") == LeftToRight()
