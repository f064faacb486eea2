import numpy as np
import pytest

from md4keras import MD4
from md4keras.evaluation.per_value import bits_per_value, in_bits
from md4keras.evaluation.sources import Enumerable
from md4keras.networks import Transformer, UNet

pytestmark = pytest.mark.one_backend

X = np.array([[0, 1, 2, 0], [2, 2, 1, 0]], "int32")


@pytest.fixture(scope="module")
def joint():
    return Enumerable.random(3, 4).joint


def test_bits_are_those_of_the_probability(joint):
    bits, error = bits_per_value(MD4(Enumerable(joint).denoiser()), X, num_samples=400)
    assert bits.shape == error.shape == (2,)
    exact = -np.log2(joint[tuple(X.T)]) / 4
    assert (np.abs(bits - exact) < 4 * error + 1e-3).all()


@pytest.mark.parametrize("every_example", [False, True])
def test_what_is_given_is_neither_scored_nor_counted(joint, every_example):
    given = np.array([True, False, True, True])
    shown = np.broadcast_to(given, X.shape) if every_example else given
    bits, error = bits_per_value(MD4(Enumerable(joint).denoiser()), X, given=shown, num_samples=400)
    known = joint.sum(axis=1)[X[:, 0], X[:, 2], X[:, 3]]
    exact = -np.log2(joint[tuple(X.T)] / known)  # one value each
    assert (np.abs(bits - exact) < 4 * error + 4e-3).all()


def test_a_network_that_knows_nothing_guesses_evenly():
    model = MD4(UNet(17, (8, 8, 1), num_layers=0, feature_dim=64, num_classes=10))
    for weight in model.network.trainable_weights:
        weight.assign(0.0 * weight)
    tokens = np.random.default_rng(0).integers(0, 17, (1, 8, 8, 1))
    mask = np.zeros((8, 8, 1), bool)
    mask[:, :4] = True
    bits, error = bits_per_value(model, tokens, 3, given=~mask)
    assert bits[0] == pytest.approx(np.log2(17), abs=max(0.02, 4 * error[0]))


def test_refuses_what_score_refuses(joint):
    with pytest.raises(ValueError, match="nothing to score"):
        bits_per_value(MD4(Enumerable(joint).denoiser()), X, given=np.ones(4, bool))


def test_bits_of_a_score_that_is_watched(joint):
    model, given = MD4(Enumerable(joint).denoiser()), np.array([True, False, True, True])
    *_, (nats, error, _, _) = model.score_steps(X, num_samples=16, given=given, batch_size=16)
    found = in_bits(nats, X, given), in_bits(error, X, given)
    np.testing.assert_array_equal(found, bits_per_value(model, X, given=given))


def test_only_what_is_scored_is_counted():
    """Of texts of different lengths, padded or packed; the bits of each are its own."""
    model = MD4(Transformer(3, 8, num_layers=1, num_heads=2, feature_dim=8))
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 3, n) for n in (8, 2, 5)]
    how = {"num_samples": 4, "seed": 1}
    bits, error = bits_per_value(model, texts, **how)
    for i, text in enumerate(texts):
        alone = bits_per_value(model, np.tile(text, (3, 1)), **how)
        np.testing.assert_allclose((bits[i], error[i]), np.array(alone)[:, i], rtol=1e-5)
    tokens = np.stack([np.pad(text, (0, 8 - len(text))) for text in texts])
    mask = np.arange(8) < np.array([[8], [2], [5]])
    found = bits_per_value(model, {"tokens": tokens, "padding_mask": mask}, **how)
    np.testing.assert_allclose(found[0], bits, rtol=1e-5)
    given = mask & (np.arange(8) == 1)
    nats = np.full(3, np.log(2.0))
    counts = (mask & ~given).sum(axis=1)
    for x in (
        {"tokens": tokens, "padding_mask": mask, "given": given},
        {"tokens": tokens, "segment_ids": mask * 3, "given": given},
    ):
        np.testing.assert_allclose(in_bits(nats, x), 1.0 / counts)
    listed = [row[:n] for row, n in zip(given, (8, 2, 5), strict=True)]
    np.testing.assert_allclose(in_bits(nats, texts, listed), 1.0 / counts)
