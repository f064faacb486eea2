import time

import numpy as np
import pytest

from md4keras import data

pytestmark = pytest.mark.one_backend


def test_what_is_not_there_is_missed_at_once(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    start = time.perf_counter()
    with pytest.raises(ValueError, match="Received: data_dir=.*Pass download=True"):
        data.cifar10(tmp_path)
    assert time.perf_counter() - start < 20


def test_no_network_is_a_clear_error(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_datasets")

    def no_network(*arguments, **keywords):
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(ValueError, match=r"could not be fetched .*Name or service not known"):
        data.cifar10(tmp_path, download=True)


def test_a_prepared_data_set_is_read(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("tensorflow")  # it writes the data set
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 32, 32, 3), "uint8")
    labels = np.arange(12) % 10
    examples = [(i, {"id": f"{i}", "image": images[i], "label": int(labels[i])}) for i in range(12)]
    tfds.dataset_builders.store_as_tfds_dataset(
        name="cifar10",
        version="3.0.2",
        data_dir=tmp_path,
        file_format="array_record",
        features=tfds.features.FeaturesDict(
            {
                "id": tfds.features.Text(),
                "image": tfds.features.Image(shape=(32, 32, 3)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={"train": examples[:8], "test": examples[8:]},
        disable_shuffling=True,
    )
    splits = data.cifar10(tmp_path)
    (x_train, y_train), (x_test, y_test) = splits.training, splits.validation
    assert splits.class_names[0] == "airplane" and len(splits.class_names) == 10
    np.testing.assert_array_equal(np.concatenate([x_train, x_test]), images)
    np.testing.assert_array_equal(np.concatenate([y_train, y_test]), labels)
