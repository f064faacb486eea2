import numpy as np
import pytest

from md4keras.data.shuffling import permute

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 17, 1000, 1498, 65537])
def test_every_element_comes_once(size):
    order = permute(np.arange(size), size, np.uint64(5))
    np.testing.assert_array_equal(np.sort(order), np.arange(size))


def test_a_place_does_not_depend_on_what_is_asked_beside_it():
    whole = permute(np.arange(1000), 1000, np.uint64(1))
    np.testing.assert_array_equal(permute([17, 400], 1000, np.uint64(1)), whole[[17, 400]])


def test_other_keys_give_other_orders():
    first, second = (permute(np.arange(1000), 1000, np.uint64(key)) for key in (0, 1))
    assert np.mean(first == second) < 0.02


@pytest.mark.parametrize("size", [5, 6])
def test_pairs_of_neighbours_are_uniform(size):
    draws = 6000 * size
    keys = np.arange(draws, dtype="uint64")
    first, second = (permute(np.full(draws, place), size, keys) for place in (0, 1))
    counts = np.bincount(first * size + second, minlength=size**2).reshape(size, size)
    assert not counts.diagonal().any()
    counts = counts[~np.eye(size, dtype=bool)]
    expected = draws / (size * (size - 1))
    chi_square = ((counts - expected) ** 2 / expected).sum()
    freedom = size * (size - 1) - 1
    assert chi_square < freedom + 4 * np.sqrt(2 * freedom)


def test_ninety_million_elements_cost_no_more_than_those_asked_for():
    order = permute(np.arange(512), 90_000_000, np.uint64(3))
    assert len(np.unique(order)) == 512 and 0 <= order.min() and order.max() < 90_000_000
    assert abs(order.mean() / 90_000_000 - 0.5) < 0.06
