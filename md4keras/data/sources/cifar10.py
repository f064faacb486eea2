"""CIFAR-10 through TensorFlow Datasets, read without TensorFlow."""

import hashlib
import itertools
import urllib.request
from pathlib import Path

import numpy as np

from md4keras.data.source import Source, Splits
from md4keras.files import import_optional

CLASS_NAMES = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())


class Cifar10(Source):
    """CIFAR-10 as TensorFlow Datasets prepares it: 50,000 images to train on.

    The 10,000 test images serve for validation, as in the published figures.
    """

    name, kind = "cifar10", "image"
    licence, home = "none stated", "https://www.cs.toronto.edu/~kriz/cifar.html"

    def __call__(self, data_dir=None, download: bool = False) -> Splits:
        """Images uint8 `[n, 32, 32, 3]`, labels int32 `[n]` in `[0, 10)`.

        Args:
            data_dir: the folder of TensorFlow Datasets; `~/tensorflow_datasets` by default.
            download: bool, whether to fetch (170 MB) and prepare what is not there.

        Raises:
            ValueError: if they are not there (and `download` is `False`) or cannot be fetched.
        """
        package = "tensorflow-datasets importlib_resources"
        tfds = import_optional("tensorflow_datasets", "holds CIFAR-10", package)
        data_dir = Path(data_dir or tfds.core.constants.DATA_DIR).expanduser()
        builder = _prepared_builder(tfds, data_dir)
        if builder is None and not download:
            raise ValueError(
                "CIFAR-10 is not there. Expected it in TensorFlow Datasets' array_record format. "
                f"Received: data_dir={str(data_dir)!r}. Pass download=True, or name the folder "
                "that holds `cifar10/`."
            )
        builder = builder or self._fetch(tfds, data_dir)
        parts = [_read(builder, split) for split in ("train", "test")]
        digest = hashlib.sha256()
        for array in itertools.chain(*parts):
            digest.update(array)
        facts = {
            "source": self.name,
            "images": sum(len(y) for _, y in parts),
            "classes": list(CLASS_NAMES),
            "split": f"the {len(parts[1][1])} test images are held out",
            "fingerprint": digest.hexdigest(),
        }
        return Splits(*parts, None, CLASS_NAMES, facts)

    def _fetch(self, tfds, data_dir):
        try:
            # Without a network this fails at once, the preparation after minutes.
            urllib.request.urlopen(self.home, timeout=15).close()
            builder = tfds.builder("cifar10", data_dir=data_dir, file_format="array_record")
            builder.download_and_prepare()
        except Exception as error:  # network errors come as many types
            raise ValueError(
                f"CIFAR-10 could not be fetched ({type(error).__name__}: {error}). Expected its "
                f"home page. Received: data_dir={str(data_dir)!r}. Prepare it on a machine with "
                "network and copy the folder `cifar10/`."
            ) from error
        return builder


cifar10 = Cifar10()


def _prepared_builder(tfds, data_dir):
    """The newest prepared version on disk in a format that is read by index, or `None`."""
    for info in sorted(data_dir.glob("cifar10/*/dataset_info.json"), reverse=True):
        builder = tfds.builder_from_directory(info.parent)
        by_index = builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD
        if by_index and {"train", "test"} <= set(builder.info.splits):
            return builder
    return None


def _read(builder, split):
    source = builder.as_data_source(split=split)
    images = np.empty((len(source), 32, 32, 3), "uint8")
    labels = np.empty(len(source), "int32")
    for row, example in enumerate(source):
        images[row], labels[row] = example["image"], example["label"]
    return images, labels
