"""The promises of `text_dataset` and `image_dataset`: coverage, order, resumption, shapes."""

import hashlib
import itertools
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

from md4keras import data

TOKENS = np.arange(101)
IMAGES = np.arange(10 * 2 * 3).reshape(10, 2, 3, 1)
LABELS = np.arange(10) % 4


def take(dataset, count):
    return list(itertools.islice(dataset, count))


def test_an_epoch_of_text_starts_once_at_every_token():
    batches = take(data.text_dataset(TOKENS, 8, 16, training=True), 12)
    starts = np.concatenate(batches)[:, 0]  # 94 starts, and as many again from the next epoch
    np.testing.assert_array_equal(np.sort(starts[:94]), np.arange(94))
    assert (starts[94:188] != starts[:94])[: 192 - 94].mean() > 0.9
    for batch in batches:
        assert batch.shape == (16, 8) and batch.dtype == "int32"
        np.testing.assert_array_equal(batch, batch[:, :1] + np.arange(8))


@pytest.mark.parametrize("done", [0, 1, 7, 23])
def test_resuming_continues(done):
    whole = take(data.text_dataset(TOKENS, 8, 16, training=True, seed=3), 30)
    rest = take(
        data.text_dataset(TOKENS, 8, 16, training=True, seed=3, start_batch=done), 30 - done
    )
    np.testing.assert_array_equal(whole[done:], rest)


def test_resuming_continues_with_the_same_flips():
    arguments = dict(batch_size=4, training=True, seed=1, random_flip=True)
    whole = take(data.image_dataset(IMAGES, LABELS, **arguments), 9)
    rest = take(data.image_dataset(IMAGES, LABELS, **arguments, start_batch=5), 4)
    for (images, labels), (images_again, labels_again) in zip(whole[5:], rest, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_the_seed_decides_the_order():
    one, same, other = (take(data.text_dataset(TOKENS, 8, 16, True, seed=s), 3) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.one_backend
def test_another_process_draws_the_same_batches():
    code = (
        "import hashlib, itertools, numpy as np; from md4keras import data;"
        "ds = data.text_dataset(np.arange(101), 8, 16, True, seed=2);"
        "print(hashlib.sha256(np.stack(list(itertools.islice(ds, 9))).tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = np.stack(take(data.text_dataset(TOKENS, 8, 16, True, seed=2), 9)).tobytes()
    assert there.stdout.split()[-1] == hashlib.sha256(here).hexdigest()


def test_validation_text_comes_once_in_order_and_as_often_as_asked():
    dataset = data.text_dataset(TOKENS, 8, 5, training=False)
    for _ in range(2):
        batches = list(dataset)
        assert [batch.shape for batch in batches] == [(5, 8), (5, 8), (2, 8)]
        np.testing.assert_array_equal(np.concatenate(batches).ravel(), np.arange(96))
    np.testing.assert_array_equal(np.concatenate(batches), data.text_windows(TOKENS, 8))


def test_validation_images_come_once_in_order():
    batches = list(data.image_dataset(IMAGES, LABELS, 4, training=False, random_flip=True))
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), IMAGES)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), LABELS)


def test_labels_stay_with_their_images_and_none_are_needed():
    for images, labels in take(data.image_dataset(IMAGES, LABELS, 7, training=True), 5):
        assert images.dtype == labels.dtype == "int32"
        np.testing.assert_array_equal(labels, (images[:, 0, 0, 0] // 6) % 4)
    (images,) = take(data.image_dataset(IMAGES, None, 7, training=True), 1)
    assert images.shape == (7, 2, 3, 1)


@pytest.mark.one_backend
def test_half_of_the_images_are_mirrored():
    dataset = data.image_dataset(IMAGES, None, 100, training=True, random_flip=True)
    images = np.concatenate(take(dataset, 20))[:, 0, :, 0]  # [2000, 3]
    mirrored = images[:, 0] > images[:, 2]
    images[mirrored] = images[mirrored, ::-1]
    np.testing.assert_array_equal(images, images[:, :1] + np.arange(3))
    assert abs(mirrored.mean() - 0.5) < 0.05


@pytest.mark.parametrize("batch_size", [1, 49, 98])
def test_any_batch_size_even_above_the_number_of_examples(batch_size):
    dataset = data.image_dataset(IMAGES, None, batch_size, training=True)
    first = take(dataset, 2)[0]
    assert len(first) == batch_size
    assert len(np.unique(first[:10, 0, 0, 0])) == min(10, batch_size)


def test_fit_takes_endless_data_without_a_warning_and_evaluate_agrees_with_arrays():
    (x_train, y_train), (x_val, y_val) = data.digits()[:2]
    layers = [keras.layers.Rescaling(1 / 16), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    training = data.image_dataset(x_train, y_train, 32, training=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(training, steps_per_epoch=3, epochs=2, shuffle=False, verbose=0)
    validation = data.image_dataset(x_val, y_val, 32, training=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        losses = [model.evaluate(validation, verbose=0) for _ in range(2)]
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], model.evaluate(x_val, y_val, verbose=0), rtol=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"seed": "a"}, "seed='a'"),
        ({"start_batch": -1}, "start_batch=-1"),
        ({"sequence_length": 0}, "sequence_length=0"),
        ({"sequence_length": 102}, "101 tokens, sequence_length=102"),
        ({"tokens": np.zeros(50)}, "dtype=float64"),
        ({"tokens": np.zeros((5, 5), int)}, r"shape=\(5, 5\)"),
    ],
)
def test_bad_arguments_for_text_are_named(change, message):
    arguments = dict(tokens=TOKENS, sequence_length=8, batch_size=4, training=True) | change
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        data.text_dataset(**arguments)


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (IMAGES[..., 0], None, r"shape=\(10, 2, 3\)"),
        (IMAGES / 2, None, "dtype=float64"),
        (IMAGES[:0], None, r"shape=\(0, 2, 3, 1\)"),
        (IMAGES, LABELS[:5], r"shape=\(5,\)"),
        (IMAGES, LABELS / 2, "dtype=float64"),
    ],
)
def test_bad_images_and_labels_are_named(images, labels, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        data.image_dataset(images, labels, 4, training=True)


@pytest.mark.one_backend
def test_data_and_evaluation_import_no_optional_package():
    names = "{'grain', 'tensorflow_datasets', 'array_record'}"
    code = f"import md4keras.data, md4keras.evaluation, sys; print({names} & sys.modules.keys())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.split()[-1] == "set()"


def test_a_missing_package_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(ImportError, match="pip install grain"):
        data.text_dataset(TOKENS, 8, 16, training=True)
