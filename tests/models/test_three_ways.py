"""The same documents as padded, packed and joined rows: the same losses, scores and samples."""

import numpy as np
import pytest
from keras import ops

from md4keras import MD4, GenMD4
from md4keras.backend import compile_function
from md4keras.data import Rows
from md4keras.networks import Transformer
from tests.gradients import gradients_of
from tests.models.weights import randomised
from tests.reference import array

pytest.importorskip("grain")

V, L, END = 7, 8, 6
RNG = np.random.default_rng(0)
DOCUMENTS = [RNG.integers(0, END, n).tolist() for n in (3, 7, 1, 2, 2, 5)]
WHOLE = [RNG.integers(0, END, L - 1).tolist() for _ in range(3)]  # fills a row with its end
KINDS = {
    "continuous": lambda network: MD4(network, schedule="cosine"),
    "discrete": lambda network: MD4(network, timesteps=10),
    "general": GenMD4,
}
OTHERS = ("discrete", "general")
SLOW = pytest.mark.slow


def make(kind="continuous", **network):
    network = {"num_layers": 1, "remat": None, "positions": "learned"} | network
    model = randomised(KINDS[kind](Transformer(V, L, num_heads=2, feature_dim=8, **network)))
    if kind == "general":
        model.schedule.theta.assign(np.linspace(-0.5, 1.5, V))
    return model


def rows(way, documents):
    """All rows of the documents, as one batch."""
    (batch,) = Rows(way, L, END).batches(documents, 99, training=False)
    return batch


def real(batch):
    """Where tokens are, bool `[B, L]`."""
    kept = batch.get("padding_mask", batch.get("segment_ids"))
    return np.ones(batch["tokens"].shape, bool) if kept is None else kept > 0


def hidden(batch):
    """Masks that depend on the token alone, so that they are the same in every layout."""
    return np.isin(batch["tokens"], (1, 3, END)) & real(batch)


def given_masks(batch):
    """A batch, its masked state, one time for all, and the number of its tokens."""
    zt = np.where(hidden(batch), V, batch["tokens"]).astype("int32")
    return batch, zt, np.full(len(zt), 0.4, "float32"), real(batch).sum().astype("float32")


def loss(model, batch, zt, time, count):
    """The bound of all documents at one time, per token."""
    nats = model.diffusion_loss(batch, zt, time) + model.reconstruction_loss(batch)
    return ops.sum(nats) / ops.convert_to_tensor(count)


def value(model, batch):
    return array(compile_function(model, lambda *args: loss(model, *args))(*given_masks(batch)))


def gradient(model, batch):
    found = gradients_of(model, lambda *args: loss(model, *args), *given_masks(batch))
    return np.concatenate([each.ravel() for each in found])


@pytest.mark.parametrize("kind", ["continuous", *(pytest.param(k, marks=SLOW) for k in OTHERS)])
def test_losses_and_gradients_of_padded_and_packed_rows(kind):
    model = make(kind)
    padded, packed = rows("padded", DOCUMENTS), rows("packed", DOCUMENTS)
    assert len(padded["tokens"]) == 6 > len(packed["tokens"])
    assert real(padded).sum() == real(packed).sum() == sum(map(len, DOCUMENTS)) + 6
    np.testing.assert_allclose(value(model, padded), value(model, packed), rtol=1e-6)
    one, other = gradient(model, padded), gradient(model, packed)
    np.testing.assert_allclose(one, other, rtol=0, atol=5e-6 * np.abs(one).max())


def test_losses_in_mixed_precision():
    model = make(dtype="mixed_bfloat16")
    one, other = (value(model, rows(way, DOCUMENTS)) for way in ("padded", "packed"))
    np.testing.assert_allclose(one, other, rtol=1e-2)


@pytest.mark.parametrize("kind", ["continuous", pytest.param("general", marks=SLOW)])
def test_documents_of_a_row_each_are_the_same_in_all_three_ways(kind):
    """Then joined rows begin and end with documents, which see nothing of one another."""
    model = make(kind)
    batches = [rows(way, WHOLE) for way in ("padded", "packed", "joined")]
    for batch in batches[1:]:
        np.testing.assert_array_equal(batch["tokens"], batches[0]["tokens"])
    scores = [model.score(batch, num_samples=4, seed=1)[0] for batch in batches]
    filled = [model.infill(batch, hidden(batch), num_steps=3, seed=1) for batch in batches]
    losses = [value(model, batch) for batch in batches]
    for others in (scores, losses):
        for other in others[1:]:
            np.testing.assert_allclose(other, others[0], rtol=2e-6)
    for other in filled[1:]:
        np.testing.assert_array_equal(other, filled[0])


def test_a_joined_row_sees_what_a_packed_one_does_not():
    model = make()
    packed, joined = rows("packed", DOCUMENTS), rows("joined", DOCUMENTS)
    whole = packed["segment_ids"].max(axis=1) > 1
    assert whole.any()
    batch = {"tokens": packed["tokens"][whole], "segment_ids": packed["segment_ids"][whole]}
    apart = value(model, batch)
    together = value(model, {**batch, "segment_ids": real(batch) * 1})
    assert abs(apart - together) > 1e-3 and joined.keys() == {"tokens"}


@pytest.mark.parametrize("kind", ["continuous", *(pytest.param(k, marks=SLOW) for k in OTHERS)])
def test_what_is_evaluated_of_a_padded_row_is_that_of_the_row(kind):
    """`evaluate` and `score` average this over evenly spread numbers and noise."""
    model = make(kind)
    padded = rows("padded", DOCUMENTS)
    sizes, noise = real(padded).sum(axis=1), RNG.random((6, L)).astype("float32")
    fraction = np.linspace(0.05, 0.95, 6).astype("float32")

    def terms(x, fraction, noise):
        step = model.usable_batch(x)[0]
        values = [ops.convert_to_tensor(each) for each in (fraction, noise)]
        return array(model.stratified_loss(step, *values))

    found = terms(padded, fraction, noise)
    for i in (0, 2):  # in its row, as other numbers of rows are rounded otherwise
        cut = slice(0, sizes[i])
        alone = terms(padded["tokens"][:, cut], fraction, noise[:, cut])
        np.testing.assert_allclose(found[i], alone[i], rtol=2e-6)
