"""The Halton order of pixels, and the sampler that goes along it."""

import numpy as np
import pytest

from md4keras import MD4, samplers
from md4keras.samplers.halton import halton_order
from tests.models.tabular import FixedLogits


class Image(FixedLogits):
    """The same logits at every pixel."""

    def __init__(self, logits, data_shape):
        super().__init__(logits, 1)
        self.data_shape = data_shape


@pytest.mark.one_backend
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (5, 9), (28, 28)])
def test_each_pixel_comes_once(shape):
    order = halton_order(*shape)
    assert sorted(order.ravel()) == list(range(shape[0] * shape[1]))
    with pytest.raises(ValueError, match="read-only"):  # it is the next call's, too
        order[0, 0] = 7


@pytest.mark.one_backend
def test_the_first_pixels_are_those_of_the_published_sequence():
    """Points (1/2, 1/3), (1/4, 2/3), (3/4, 1/9), (1/8, 4/9), by hand, on an 8 x 9 grid."""
    order = halton_order(8, 9)
    assert [tuple(np.argwhere(order == n)[0]) for n in range(4)] == [(4, 3), (2, 6), (6, 1), (1, 4)]


@pytest.mark.one_backend
def test_the_pixels_of_a_step_lie_apart():
    """Of any 6 in a row each lies in another sixth, two by three, of the image."""
    order = halton_order(8, 9)
    for first in range(0, 72, 6):
        part = (order >= first) & (order < first + 6)
        assert (part.reshape(2, 4, 3, 3).sum(axis=(1, 3)) == 1).all()


def test_pixels_are_revealed_in_that_order():
    """As many as planned, the channels of a pixel together, whatever the drawn values."""
    model = MD4(Image([0.0, 1.0, 0.5], (3, 4, 2)))
    how = {"sampler": samplers.Halton(), "num_steps": 12, "time_grid": "uniform"}
    states = list(model.sample_steps(2, **how))
    order = np.repeat(halton_order(3, 4)[..., None], 2, axis=-1)
    for number, state in enumerate(states):
        np.testing.assert_array_equal(state.tokens[0] == 3, order >= number)
    np.testing.assert_array_equal(states[-1].tokens, model.generate(2, **how))
    assert states[-1].calls == 12


@pytest.mark.one_backend
def test_gaps_are_filled_in_that_order_and_scored():
    model = MD4(Image([0.0, 1.0, 0.5], (3, 4, 1)))
    x, mask = np.zeros((1, 3, 4, 1), "int32"), np.zeros((3, 4, 1), bool)
    mask[1:] = True
    how = {"sampler": "halton", "num_steps": 8, "time_grid": "uniform"}
    order, ranks = halton_order(3, 4)[1:].ravel(), []
    before = None
    for state in model.infill_steps(x, mask, **how):
        left = (state.tokens[0, 1:] == 3).ravel()
        if before is not None:
            ranks += list(order[before & ~left])
        before = left
        assert (state.tokens[0, :1] == 0).all()
    assert ranks == sorted(ranks) and len(ranks) == 8
    nats, _ = model.score(x, given=~mask, **how)
    mu = np.exp([0.0, 1.0, 0.5])
    np.testing.assert_allclose(nats, -8 * np.log(mu[0] / mu.sum()), rtol=1e-5)


@pytest.mark.one_backend
def test_text_is_refused_before_any_work():
    model = MD4(FixedLogits([0.0, 1.0, 0.5], 6))
    x = np.zeros((1, 6), "int32")
    calls = (
        lambda: model.generate(1, sampler="halton"),
        lambda: model.sample_steps(1, sampler="halton"),
        lambda: model.infill(x, x == 0, sampler="halton"),
        lambda: model.generate_blocks(1, 6, sampler="halton"),
        lambda: model.score(x, sampler="halton"),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"pixels of an image.*data_shape=\(6,\).*Take"):
            call()
