import numpy as np
import pytest

from md4keras import MD4
from md4keras.evaluation.likelihood import bits_per_value, in_bits
from md4keras.networks import UNet
from tests.models.tabular import TrueConditionals, random_joint

pytestmark = pytest.mark.one_backend

X = np.array([[0, 1, 2, 0], [2, 2, 1, 0]], "int32")


@pytest.fixture(scope="module")
def joint():
    return random_joint(3, 4)


def test_bits_are_those_of_the_probability(joint):
    bits, error = bits_per_value(MD4(TrueConditionals(joint)), X, num_samples=400)
    assert bits.shape == error.shape == (2,)
    exact = -np.log2(joint[tuple(X.T)]) / 4
    assert (np.abs(bits - exact) < 4 * error + 1e-3).all()


@pytest.mark.parametrize("every_example", [False, True])
def test_what_is_given_is_neither_scored_nor_counted(joint, every_example):
    given = np.array([True, False, True, True])
    shown = np.broadcast_to(given, X.shape) if every_example else given
    bits, error = bits_per_value(MD4(TrueConditionals(joint)), X, given=shown, num_samples=400)
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
        bits_per_value(MD4(TrueConditionals(joint)), X, given=np.ones(4, bool))


def test_bits_of_a_score_that_is_watched(joint):
    model, given = MD4(TrueConditionals(joint)), np.array([True, False, True, True])
    *_, (nats, error, _, _) = model.score_steps(X, num_samples=16, given=given, batch_size=16)
    found = in_bits(nats, X, given), in_bits(error, X, given)
    np.testing.assert_array_equal(found, bits_per_value(model, X, given=given))
