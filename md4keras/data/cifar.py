"""CIFAR-10 through TensorFlow Datasets, read without TensorFlow."""

import urllib.request
from pathlib import Path

import numpy as np

from md4keras.data.batches import import_optional

_HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def cifar10(data_dir=None, download: bool = False):
    """CIFAR-10 as TensorFlow Datasets prepares it: 50,000 images to train on, 10,000 to test.

    The data set is looked for first; it is fetched (170 MB) and prepared only where `download`
    says so, so that a machine without network learns at once, not after minutes of retries, that
    it is missing.

    Args:
        data_dir: The folder of TensorFlow Datasets; `~/tensorflow_datasets` by default.
        download: Whether to fetch what is not there.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images uint8 of shape `[n, 32, 32, 3]`, labels
        int32 in `[0, 10)`, in the order of `CLASS_NAMES`.

    Raises:
        ValueError: The data set is not there (and `download` is `False`), or cannot be fetched.
    """
    tfds = import_optional(
        "tensorflow_datasets", "holds CIFAR-10", package="tensorflow-datasets importlib_resources"
    )
    data_dir = Path(data_dir or tfds.core.constants.DATA_DIR).expanduser()
    builder = _prepared_builder(tfds, data_dir)
    if builder is None and not download:
        raise ValueError(
            "CIFAR-10 is not there: expected it as TensorFlow Datasets prepares it, in the "
            f"array_record format. Received: data_dir={str(data_dir)!r}. Pass download=True to "
            "fetch it (170 MB), or name the folder that holds `cifar10/`."
        )
    if builder is None:
        builder = _fetch(tfds, data_dir)
    return _read(builder, "train"), _read(builder, "test")


def _prepared_builder(tfds, data_dir):
    """The newest prepared version on disk in a format that is read by index, or `None`."""
    for info in sorted(data_dir.glob("cifar10/*/dataset_info.json"), reverse=True):
        builder = tfds.builder_from_directory(info.parent)
        by_index = builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD
        if by_index and {"train", "test"} <= set(builder.info.splits):
            return builder
    return None


def _fetch(tfds, data_dir):
    try:
        urllib.request.urlopen(_HOME, timeout=15).close()  # no network shows here, not in minutes
        builder = tfds.builder("cifar10", data_dir=data_dir, file_format="array_record")
        builder.download_and_prepare()
    except Exception as error:  # network errors come as many types
        raise ValueError(
            f"CIFAR-10 could not be fetched ({type(error).__name__}: {error}): expected access to "
            f"its home page. Received: data_dir={str(data_dir)!r}. Prepare it on a machine with "
            "network and copy the folder `cifar10/`."
        ) from error
    return builder


def _read(builder, split):
    source = builder.as_data_source(split=split)
    images = np.empty((len(source), 32, 32, 3), "uint8")
    labels = np.empty(len(source), "int32")
    for row, example in enumerate(source):
        images[row], labels[row] = example["image"], example["label"]
    return images, labels
