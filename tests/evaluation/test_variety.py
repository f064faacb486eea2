import numpy as np
import pytest

from md4keras.evaluation import variety

pytestmark = pytest.mark.one_backend

IMAGES = np.random.default_rng(0).integers(0, 17, (6, 4, 4, 1))


def test_distinct_samples_are_counted_once():
    assert variety.distinct_fraction(IMAGES) == 1.0
    assert variety.distinct_fraction(np.concatenate([IMAGES, IMAGES])) == 0.5
    assert variety.distinct_fraction(np.zeros((5, 3), "int32")) == 0.2


def test_samples_that_differ_in_one_token_are_distinct():
    tokens = np.zeros((2, 2, 2, 3), "int32")
    tokens[1, 1, 1, 2] = 1
    assert variety.distinct_fraction(tokens) == 1.0


def test_entropy_lies_between_one_token_and_all_alike():
    assert variety.token_entropy(np.full((3, 5), 7)) == 0.0
    assert variety.token_entropy(np.arange(16).reshape(2, 8)) == pytest.approx(4.0)
    assert variety.token_entropy([[0, 0, 0, 1]]) == pytest.approx(0.8112781)


def test_order_does_not_matter_to_entropy():
    shuffled = np.random.default_rng(1).permutation(IMAGES.ravel()).reshape(3, 32)
    assert variety.token_entropy(IMAGES) == pytest.approx(variety.token_entropy(shuffled))


@pytest.mark.parametrize("measure", [variety.distinct_fraction, variety.token_entropy])
@pytest.mark.parametrize("tokens", [[], [1, 2], [[]], [[0.5, 1.0]], [["a", "b"]], None])
def test_refuses_what_are_no_samples(measure, tokens):
    with pytest.raises(ValueError, match=r"`tokens` cannot.*Received: .*\. Pass"):
        measure(tokens)
