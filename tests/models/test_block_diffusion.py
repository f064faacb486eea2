"""Block diffusion: the bound is exact, one block is MD4, bad arguments are named."""

import itertools
import math

import keras
import numpy as np
import pytest

from md4keras import MD4, BlockDiffusion
from md4keras.models.batches import Batch
from md4keras.networks import DiT, Transformer
from md4keras.schedules import LearnablePolynomial
from tests.compiled import one_program
from tests.models.weights import randomised
from tests.reference import array

V, L, SIZE = 3, 5, 2  # blocks of 2, 2 and 1
X = np.array([[0, 2, 1, 1, 0], [1, 1, 2, 0, 2]], "int32")


def make(block_size=SIZE, schedule="linear", **arguments):
    sizes = dict(num_layers=1, num_heads=2, hidden_dim=16, feature_dim=8)
    network = DiT(V, L, **{**sizes, **arguments})
    return randomised(BlockDiffusion(network, block_size, schedule, seed=0))


def test_one_block_is_masked_diffusion():
    model = make(block_size=L)
    plain = MD4(model.network)
    zt, time = np.where([[0, 1, 1, 0, 1]], V, X), np.array([0.3, 0.8], "float32")
    ours, theirs = (one_program(each.diffusion_loss)(X, zt, time) for each in (model, plain))
    np.testing.assert_allclose(array(ours), array(theirs), rtol=1e-5)


def test_the_bound_is_the_sum_over_all_maskings_of_the_blocks():
    """`1/t` at mask probability `t` gives a masking of n among N the weight (n-1)! (N-n)! / N!."""
    model = make(schedule="log_linear")
    model.schedule.eps = 0.0
    maskings = np.array(list(itertools.product([False, True], repeat=L)))
    exact = np.zeros(2)
    for row, x in enumerate(X):
        rows = np.tile(x, (len(maskings), 1))
        zt = np.where(maskings, V, rows)
        costs = array(one_program(model.token_losses)(rows, zt, np.ones(len(rows), "float32")))
        for block in (slice(0, 2), slice(2, 4), slice(4, 5)):
            size = block.stop - block.start
            others = maskings.copy()
            others[:, block] = False
            for masking, cost in zip(maskings[~others.any(1)], costs[~others.any(1)], strict=True):
                if n := masking.sum():
                    weight = math.factorial(n - 1) * math.factorial(size - n) / math.factorial(size)
                    exact[row] += weight * cost.sum()
    nats, error = model.score(X, num_samples=512, seed=1)
    assert (error < 0.02 * exact).all()
    assert (np.abs(nats - exact) < 4 * error).all()


def test_each_block_has_a_time_of_its_own_and_all_are_spread_evenly():
    model = make()
    x = keras.ops.convert_to_tensor(np.tile(X, (4, 1)))
    time, (zt,) = model.draw_maskings(x)
    time = array(time)
    np.testing.assert_array_equal(time[:, [0, 2]], time[:, [1, 3]])
    drawn = np.sort(time[:, ::2].ravel())  # 8 rows of 3 blocks
    np.testing.assert_allclose(np.diff(drawn), 1 / 24, atol=1e-6)
    masked = array(zt) == V
    np.testing.assert_array_equal(array(zt)[~masked], array(x)[~masked])


def test_padding_is_a_shorter_row():
    model = make()
    zt, time = np.where([[0, 1, 1, 0, 1]], V, X), np.full((2, 3), 0.4, "float32")
    mask = np.tile(np.arange(L) < 4, (2, 1))

    def padded(x, zt, time, mask):
        return model.diffusion_loss({"tokens": x, "padding_mask": mask}, zt, time)

    found = one_program(padded, model)(X, zt, time, mask)
    alone = one_program(model.diffusion_loss)(X[:, :4], zt[:, :4], time[:, :2])
    np.testing.assert_allclose(array(found), array(alone), rtol=1e-5)


def test_masks_are_of_what_is_scored():
    model = make()
    given = np.tile(np.arange(L) == 1, (2, 1))
    batch = Batch(keras.ops.convert_to_tensor(X), given=keras.ops.convert_to_tensor(given))
    noise = np.random.default_rng(0).random((2, L), "float32")
    zt, _, weight = model.stratified_masking(batch, np.array([0.2, 0.9], "float32"), noise)
    masked, weight = array(zt) == V, array(weight)
    assert not masked[given].any()
    per_block = [(masked * weight)[:, block].sum(axis=1) for block in (slice(2), slice(2, 4))]
    np.testing.assert_allclose(per_block, [[1, 1], [2, 2]])  # N, however many of them are masked


def test_training_lowers_the_bound_and_evaluation_knows_it():
    model = make(dropout=0.1, remat="full")
    model.compile(keras.optimizers.Adam(3e-2))
    x = np.tile(X[:1], (16, 1))
    history = model.fit(x, batch_size=8, epochs=8, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert not sum(history["skipped_steps"])
    report = model.evaluate(x, batch_size=16, num_passes=2, return_dict=True, verbose=0)
    assert 0 < report["loss"] < history["loss"][0]


def test_the_configuration_makes_the_same_model():
    model = make(schedule="log_linear")
    again = BlockDiffusion.from_config(model.get_config())
    assert again.get_config() == model.get_config() and again.block_size == SIZE


@pytest.mark.one_backend
def test_bad_arguments_are_named():
    model = make()
    with pytest.raises(ValueError, match="from left to right.*a BlockDiffusion"):
        model.score(X, num_samples=16, bracket=True)
    with pytest.raises(ValueError, match="does not take text in blocks.*Transformer"):
        BlockDiffusion(Transformer(V, L, 1, 1, 8), 2)
    with pytest.raises(ValueError, match="time of its own"):
        make(time_features="t")
    with pytest.raises(ValueError, match="`block_size` cannot be used"):
        make(block_size=0)
    with pytest.raises(ValueError, match="one schedule for all tokens"):
        make(schedule=LearnablePolynomial(V))
    with pytest.raises(ValueError, match="no blocks of their own.*segment_ids"):
        model.training_logits({"tokens": X, "segment_ids": X * 0 + 1}, X)
    with pytest.raises(ValueError, match=r"shape \(2,\) or \(2, 3\).*shape=\(2, 4\)"):
        model.diffusion_loss(X, X, np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"Times lie in \[0, 1\]"):
        model.diffusion_loss(X, X, np.full((2, 3), 1.5))
