"""Values that `check_integers` lets through or refuses; the other checks are tested by use."""

import numpy as np
import pytest

from md4keras.checks import check_integers, check_list

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize(
    "values, shape, keywords",
    [
        ([1, 2], ("length",), {}),
        ([-1, 2], ("length",), {}),
        (np.array([0, 4], "uint8"), ("length",), dict(below=5)),
        ([[1, 2, 3]], ("n", 3), dict(below=np.int32(4))),
        (np.zeros((2, 1, 5, 3), int), ("n", "height", ...), dict(least=2)),
        (np.zeros((2, 3), int), ("n", "length", ...), {}),
        (7, (...,), dict(least=0, below=8)),
        (np.zeros((0, 2), int), (...,), dict(least=0)),
        ([], ("length",), dict(least=0, below=1)),
        (np.zeros(3, "uint8"), (3,), dict(dtype=np.uint8)),
    ],
)
def test_integers_of_the_shape_and_range_come_back(values, shape, keywords):
    checked = check_integers("values", values, shape, **keywords)
    np.testing.assert_array_equal(checked, values)
    assert np.issubdtype(checked.dtype, np.integer)


@pytest.mark.parametrize(
    "values, shape, keywords",
    [
        ([1.0], ("length",), {}),
        ([True], ("length",), {}),
        (["1"], ("length",), dict(below=5)),
        (None, ("length",), {}),
        (3, ("length",), {}),
        (3, (...,), {}),
        ([], ("length",), {}),
        (np.zeros((0, 2), int), ("n", "length"), {}),
        (np.zeros((2, 0), int), ("n", "length"), {}),
        ([1], ("length",), dict(least=2)),
        ([[1]], ("length",), {}),
        ([1], ("n", "length", ...), {}),
        ([[1, 2]], ("n", 3), {}),
        ([5], ("length",), dict(below=5)),
        ([-1], ("length",), dict(below=5)),
        ([0], ("length",), dict(dtype=np.uint8)),
    ],
)
def test_anything_else_is_refused_with_what_it_is(values, shape, keywords):
    array = np.asarray(values)
    with pytest.raises(ValueError, match=r"`values` cannot.*Received: .*\. Mend it") as caught:
        check_integers("values", values, shape, mend="Mend it.", **keywords)
    assert f"values of shape={array.shape}, dtype={array.dtype}" in str(caught.value)


def test_the_message_says_what_was_expected():
    with pytest.raises(
        ValueError, match=r"Expected integer values of shape \[n, 3, ...\] in \[0, "
    ):
        check_integers("values", [[1, 2]], ("n", 3, ...), below=9)
    with pytest.raises(ValueError, match=r"\[length\], at least 2. Received: .*int64, from 4 to 4"):
        check_integers("values", [4], ("length",), least=2)


@pytest.mark.parametrize(
    "value, least", [([1, 2], 2), ((1,), 1), ([], 0), (np.arange(3), 1), ({1}, 1), (range(2), 1)]
)
def test_lists_come_back(value, least):
    assert check_list("rows", value, least) == list(value)
    assert check_list("rows", iter(value), least) == list(value)


@pytest.mark.parametrize("value", [None, 5, np.array(5), "ab", b"ab", {"a": 1}, [], [1], int])
def test_what_is_no_list_is_refused(value):
    with pytest.raises(ValueError, match="`rows` cannot be used.*at least 2. Received: rows=.*Use"):
        check_list("rows", value, 2, "Use two.")
