"""Losses of `fit` and `evaluate` are nats per scored token: exactly, where each token's are known.

The network says the same everywhere: a token 0 costs two nats less than a token 1. Rows are of one
token each, so that the cost of a row does not depend on which of its positions are masked.
"""

import math

import keras
import numpy as np
import pytest
from keras import ops

from md4keras import MD4
from tests.models.tabular import FixedLogits

N, L = 10, 12
RNG = np.random.default_rng(0)
VALUES = np.arange(N) % 2
LENGTHS = RNG.integers(2, L + 1, N)
TOKENS = np.repeat(VALUES[:, None], L, axis=1).astype("int32")
PADDING = np.arange(L) < LENGTHS[:, None]
GIVEN = PADDING & (np.arange(L) == 1)
WEIGHT = RNG.random(N).astype("float32") + 0.1
COST = math.log1p(math.exp(2.0)) - 2.0 * (VALUES == 0)  # nats of a token, by row
DATA = {"tokens": TOKENS, "padding_mask": PADDING}
WEIGHTS = {
    "none": None,
    "rows": WEIGHT,
    "positions": np.repeat(WEIGHT[:, None], L, axis=1),
}
by_weight = pytest.mark.parametrize("weight", WEIGHTS)


class Fixed(FixedLogits):
    """With a weight, so that it can be trained; padding moves nothing."""

    takes_padding_mask = True

    def __init__(self, logits, count):
        super().__init__(logits, count)
        self.shift = self.add_weight((1,), "zeros", name="shift")

    def call(self, inputs, training=None):
        each = ops.ones_like(inputs["tokens"][..., None], dtype="float32")
        return each * self.logits + self.shift


@pytest.fixture
def model():
    model = MD4(Fixed([2.0, 0.0], L))
    model.compile(keras.optimizers.SGD(0.0))

    def draw(x, counted=None, unscored=None):  # all at time 1, where a mask counts 1
        zt = ops.full_like(x, 2)
        zt = zt if unscored is None else ops.where(unscored, x, zt)
        return ops.ones((ops.shape(x)[0],)), (zt,)

    model.draw_maskings = draw
    return model


def mean(rows=slice(None), weight=None, given=False):
    """Nats per scored token of some rows."""
    sizes = (PADDING & ~GIVEN if given else PADDING).sum(axis=1)[rows]
    sizes = sizes if weight is None else sizes * WEIGHT[rows]
    return (sizes * COST[rows]).sum() / sizes.sum()


def check(logs, expected, prefix=""):
    assert logs[f"{prefix}loss"] == pytest.approx(expected, rel=1e-3)
    assert logs[f"{prefix}perplexity"] == pytest.approx(math.exp(logs[f"{prefix}loss"]), rel=1e-5)
    bits = logs[f"{prefix}loss"] / math.log(2.0)
    assert logs[f"{prefix}bits_per_dim"] == pytest.approx(bits, rel=1e-5)


def data(weight="none", rows=slice(None), **more):
    found = DATA | more
    found |= {} if WEIGHTS[weight] is None else {"sample_weight": WEIGHTS[weight]}
    return {name: values[rows] for name, values in found.items()}


def batches_of(weight="none", sizes=(4, 4, 2)):
    ends = np.cumsum(sizes)
    for start, stop in zip(ends - sizes, ends, strict=True):
        yield (data(weight, slice(start, stop)),)


def test_averages_of_rows_or_of_batches_would_be_others():
    assert abs(COST.mean() - mean()) > 0.01
    parts = [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert abs(np.mean([mean(rows) for rows in parts]) - mean()) > 0.01


@by_weight
def test_an_evaluation_whose_last_batch_is_smaller(weight, model):
    expected = mean(weight=WEIGHTS[weight])
    how = {"verbose": 0, "return_dict": True, "num_passes": 2}
    for batch_size in (4, 10):
        check(model.evaluate(data(weight), batch_size=batch_size, **how), expected)
    logs = model.evaluate(batches_of(weight), verbose=0, return_dict=True)
    check(logs, expected)
    given = data(weight, given=GIVEN)
    logs = model.evaluate(given, batch_size=4, **how)
    check(logs, mean(weight=WEIGHTS[weight], given=True))


@by_weight
def test_the_logs_of_an_epoch_and_its_validation(weight, model):
    held_out = data(weight, slice(3, 10))
    history = model.fit(
        data(weight),
        batch_size=4,
        epochs=2,
        validation_data=held_out,
        validation_batch_size=4,
        verbose=0,
    ).history
    for epoch in range(2):
        logs = {name: values[epoch] for name, values in history.items()}
        check(logs, mean(weight=WEIGHTS[weight]))
        check(logs, mean(slice(3, 10), WEIGHTS[weight]), "val_")


def test_weights_beside_the_tokens_are_the_same(model):
    beside = ((DATA, None, WEIGHT) for _ in range(1))
    history = model.fit(beside, verbose=0).history
    check({name: values[0] for name, values in history.items()}, mean(weight=WEIGHT))


def test_an_epoch_of_some_steps_counts_these(model):
    def endless():
        while True:
            yield from batches_of(sizes=(4, 6))

    history = model.fit(endless(), steps_per_epoch=1, epochs=3, verbose=0).history
    expected = [mean(slice(0, 4)), mean(slice(4, 10)), mean(slice(0, 4))]
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-3)


@by_weight
def test_single_batches(weight, model):
    """The loss of a step is per scored token of its batch, without the weights in the count."""
    expected = mean(weight=WEIGHTS[weight])
    check(model.train_on_batch(data(weight), return_dict=True), expected)
    check(model.test_on_batch(data(weight), return_dict=True), expected)
    sizes = LENGTHS if WEIGHTS[weight] is None else LENGTHS * WEIGHT
    loss = ops.convert_to_numpy(model.compute_loss(data(weight)))
    assert float(loss) == pytest.approx((sizes * COST).sum() / LENGTHS.sum(), rel=1e-3)


def test_weights_of_another_rank_are_the_same_or_told(model):
    """TensorFlow's graph of a step has one number of axes."""
    model.train_on_batch(data("rows"))
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(ValueError, match="how many axes `sample_weight` has.*ensure_shape"):
            model.train_on_batch(data("positions"))
    else:
        logs = model.train_on_batch(data("positions"), return_dict=True)
        check(logs, mean(weight=WEIGHT))


def test_tokens_of_unknown_rank_are_told(model):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("other backends have arrays, whose axes are known")
    signature = tf.TensorSpec(None, "int32")
    rows = tf.data.Dataset.from_generator(lambda: iter([TOKENS]), output_signature=signature)
    with pytest.raises(ValueError, match="how many axes `tokens` has"):
        model.fit(rows, verbose=0)
