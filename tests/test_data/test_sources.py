import copy
import pickle

import numpy as np
import pytest

from md4keras import data

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize("name", data.SOURCES)
def test_every_source_has_one_door_and_says_what_it_is(name):
    source = data.get(name)
    assert source is getattr(data, name) is data.get(source) and source.name == name
    assert source.kind in ("text", "image") and source.licence and source.home


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'cifar10', 'digits'.*Received: source='emnist'"):
        data.get("emnist")


def test_the_users_own_text_is_split_at_its_end(tmp_path):
    (tmp_path / "mine.txt").write_text("0123456789" * 10)
    splits = data.text_files(tmp_path / "mine.txt", validation_fraction=0.2)
    assert splits.training + splits.validation == "0123456789" * 10
    assert len(splits.validation) == 20 and splits.test is splits.class_names is None


def test_digits_are_split_once_and_completely():
    splits = data.digits()
    (x_train, y_train), (x_val, y_val) = splits.training, splits.validation
    assert x_train.shape == (1498, 8, 8, 1) and x_val.shape == (299, 8, 8, 1)
    assert x_train.dtype == y_train.dtype == x_val.dtype == y_val.dtype == "int32"
    assert x_train.min() == 0 and x_train.max() == 16
    assert set(y_train) == set(y_val) == set(range(10))
    seen = {image.tobytes() for image in x_train}
    assert not any(image.tobytes() in seen for image in x_val)


def test_a_split_of_images_keeps_each_class_on_both_sides():
    labels = np.repeat([0, 1, 2], [10, 20, 35])
    images = np.arange(65)
    (x_train, y_train), (x_val, y_val) = data.split_images(images, labels, validation_every=10)
    np.testing.assert_array_equal(np.sort(np.concatenate([x_train, x_val])), images)
    np.testing.assert_array_equal(np.bincount(y_val), [1, 2, 3])
    np.testing.assert_array_equal(labels[x_train], y_train)


def test_images_without_labels_are_split_too():
    (x_train, no_labels), (x_val, _) = data.split_images(np.arange(20), None, validation_every=5)
    assert x_val.tolist() == [4, 9, 14, 19] and len(x_train) == 16 and no_labels is None


def test_splits_that_hold_nothing_out_are_refused():
    with pytest.raises(ValueError, match="validation_every=1"):
        data.split_images(np.arange(20), None, validation_every=1)
    with pytest.raises(ValueError, match="3 images, validation_every=10"):
        data.split_images(np.arange(3), None)


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
def test_levels_are_of_equal_width_and_in_order(levels):
    quantised = data.quantise(np.arange(256), levels)
    assert quantised[0] == 0 and quantised[-1] == levels - 1
    assert set(np.diff(quantised.astype(int))) <= {0, 1}
    counts = np.bincount(quantised)
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("levels", [1, 257, 2.5])
def test_impossible_levels_are_refused(levels):
    with pytest.raises(ValueError, match=f"levels={levels}"):
        data.quantise(np.zeros(3, int), levels)


def test_splits_unpack_into_their_parts_and_have_facts_of_their_own():
    first, second = data.Splits(1, 2), data.Splits(1, 2, facts={"source": "mine"})
    assert [*first] == [1, 2, None, None] and first == second
    first.facts["source"] = "another"
    assert data.Splits(1, 2).facts == {} and data.Splits(1, 2).describe() == []
    assert copy.deepcopy(second).facts == pickle.loads(pickle.dumps(second)).facts == second.facts
