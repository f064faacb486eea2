"""Preparations of images, from what TensorFlow Datasets keeps on disk."""

import numpy as np
import pytest

from md4keras import data
from md4keras.data.preparation import Settings, pictures, prepare
from tests.preparation_double import contents

pytestmark = pytest.mark.one_backend
pytest.importorskip("datatrove")
tfds = pytest.importorskip("tensorflow_datasets")
pytest.importorskip("tensorflow")  # it writes the stand-ins

RNG = np.random.default_rng(0)


def quiet(words):
    pass


def store(folder, name, shape, splits, labels=True, **where):
    """Writes a data set as TensorFlow Datasets does; returns its images and labels by split."""
    features = {"image": tfds.features.Image(shape=shape)}
    if labels:
        features["label"] = tfds.features.ClassLabel(num_classes=10)
    made = {}
    for split, count in splits.items():
        sizes = [[n or 40 + 8 * (i % 3) for n in shape[:2]] for i in range(count)]
        images = [RNG.integers(0, 256, (*size, shape[2]), "uint8") for size in sizes]
        made[split] = images, np.arange(count) % 10
    examples = {
        split: [
            (i, {"image": image} | ({"label": int(y[i])} if labels else {}))
            for i, image in enumerate(x)
        ]
        for split, (x, y) in made.items()
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        data_dir=folder,
        file_format="array_record",
        features=tfds.features.FeaturesDict(features),
        split_datasets=examples,
        disable_shuffling=True,
        **where,
    )
    return made


def test_images_are_prepared_with_their_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "IMAGES", 4)
    there = store(tmp_path / "tfds", "cifar10", (32, 32, 3), {"train": 9, "test": 5})
    made = prepare("cifar10", tmp_path / "out", source=tmp_path / "tfds", workers=1, say=quiet)
    for ours, theirs in {"training": "train", "validation": "test"}.items():
        ((x, y),) = made.batches(ours, 9, training=False)
        np.testing.assert_array_equal(x, there[theirs][0])
        np.testing.assert_array_equal(y, there[theirs][1])
    assert list(made.class_names) == [str(n) for n in range(10)]
    assert len(list((tmp_path / "out").glob("*.array_record"))) == 5

    write, calls = pictures.WriteImages.__call__, []

    def interrupted(self, data, rank=0, world_size=1):
        calls.append(rank)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(self, data, rank, world_size)

    with monkeypatch.context() as context:
        context.setattr(pictures.WriteImages, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare("cifar10", tmp_path / "two", source=tmp_path / "tfds", workers=1, say=quiet)
        prepare("cifar10", tmp_path / "two", source=tmp_path / "tfds", workers=1, say=quiet)
    assert calls == [0, 1, 2, 2, 3, 4]
    assert contents(tmp_path / "two") == contents(tmp_path / "out")


def test_downsampled_imagenet_has_no_classes(tmp_path):
    splits = {"train": 6, "validation": 3}
    name = "downsampled_imagenet"
    there = store(tmp_path / "tfds", name, (64, 64, 3), splits, labels=False, config="64x64")
    settings = Settings(limit=4)
    made = prepare("imagenet64", tmp_path / "out", settings, tmp_path / "tfds", 1, quiet)
    (x,) = made.batches("training", 4, training=False)
    np.testing.assert_array_equal(x, there["train"][0][:4])
    assert len(made.splits["validation"]) == 3 and made.class_names is None


def test_imagenet_with_classes_is_cut_to_the_square_and_scaled_by_area(tmp_path):
    image = tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg")
    assert image.shape == (None, None, 3)
    splits = {"train": 4, "validation": 2}
    there = store(tmp_path / "tfds", "imagenet2012", (None, None, 3), splits)
    source = tmp_path / "tfds"
    made = prepare("imagenet64_classes", tmp_path / "out", source=source, workers=1, say=quiet)
    ((x, y),) = made.batches("training", 4, training=False)
    assert x.shape == (4, 64, 64, 3) and y.tolist() == [0, 1, 2, 3]
    wanted = [pictures.central_square(image, (64, 64, 3)) for image in there["train"][0]]
    np.testing.assert_array_equal(x, wanted)


def test_scaling_by_area_is_the_mean_of_the_central_square():
    image = RNG.integers(0, 256, (128, 200, 3), "uint8")
    blocks = image[:, 36:164].reshape(64, 2, 64, 2, 3).mean((1, 3))
    found = pictures.central_square(image, (64, 64, 3))
    assert np.abs(found - blocks).max() <= 1  # Pillow rounds the columns, then the rows


def test_without_a_network_it_says_what_to_do(tmp_path, monkeypatch):
    def no_network(*arguments, **keywords):
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(ValueError, match="mnist could not be fetched.*Name or service not known"):
        prepare("mnist", tmp_path / "out", source=tmp_path / "tfds", workers=1)
    with pytest.raises(ValueError, match="imagenet2012 could not be fetched"):
        prepare("imagenet64_classes", tmp_path / "out", source=tmp_path / "tfds", workers=1)
    assert data.preparation.NAMES and not (tmp_path / "out").exists()
