"""CIFAR-10 through TensorFlow Datasets, read without TensorFlow."""

import hashlib
import itertools

import numpy as np

from md4keras.data.source import Source, Splits
from md4keras.data.tfds_builders import find_builder

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
        builder = find_builder("cifar10", data_dir, ("train", "test"), download, self.home)
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


cifar10 = Cifar10()


def _read(builder, split):
    source = builder.as_data_source(split=split)
    images = np.empty((len(source), 32, 32, 3), "uint8")
    labels = np.empty(len(source), "int32")
    for row, example in enumerate(source):
        images[row], labels[row] = example["image"], example["label"]
    return images, labels
