"""Images as tokens: every source by its name, and the batches made from any of them."""

import numpy as np

from md4keras.data.batches import batches, import_optional
from md4keras.data.cifar import cifar10
from md4keras.data.folders import (
    image_folder,
    image_folder_split,
    image_format,
    quantise,
    read_image,
    split_images,
)

__all__ = [
    "cifar10",
    "digits",
    "image_dataset",
    "image_folder",
    "image_folder_split",
    "image_format",
    "quantise",
    "read_image",
    "split_images",
]


def digits():
    """scikit-learn's handwritten digits, with a fixed split.

    1,797 scanned digits of 8 x 8 pixels in 17 grey levels (0 to 16), 10 classes. Every sixth
    image, those whose index leaves 5 when divided by 6, is for validation.

    Returns:
        `(x_train, y_train), (x_validation, y_validation)`: images int32 in `[0, 17)` of shapes
        `[1498, 8, 8, 1]` and `[299, 8, 8, 1]`, labels int32 in `[0, 10)`.

    Reference:
        - [Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998)](
            https://doi.org/10.24432/C50P49)
    """
    datasets = import_optional("sklearn.datasets", "holds the digits", package="scikit-learn")
    data = datasets.load_digits()
    images = data.images.astype("int32")[..., None]  # [1797, 8, 8, 1]
    labels = data.target.astype("int32")
    held_out = np.arange(len(images)) % 6 == 5
    return (images[~held_out], labels[~held_out]), (images[held_out], labels[held_out])


def image_dataset(
    images,
    labels,
    batch_size: int,
    training: bool,
    seed: int = 0,
    start_batch: int = 0,
    random_flip: bool = False,
):
    """Batches of images, ready for `fit` (`training=True`) or `evaluate`.

    In training all images come once an epoch, in shuffled order, without end (pass
    `steps_per_epoch` to `fit`), and batch `k` depends on `(seed, k)` alone. Otherwise they come
    once, in order.

    Args:
        images: Integers (grey or colour levels), shape `[n, height, width, channels]`.
        labels: Integers, shape `[n]`, or `None`.
        batch_size: Images in a batch. Outside training the last batch may be smaller.
        training: Whether the images are shuffled and never end.
        seed: Decides the order and the flips in training.
        start_batch: The number of the first batch: a run resumes exactly with the number of
            batches that were used before.
        random_flip: Whether, in training, each image is mirrored left to right with probability
            one half. Not for digits or letters.

    Returns:
        A `grain.IterDataset` of `(images, labels)`, int32 of shapes
        `[batch, height, width, channels]` and `[batch]`; of images alone where `labels` is `None`.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or not np.issubdtype(images.dtype, np.integer):
        raise ValueError(
            "`images` are no tokens: expected integers of shape [n, height, width, channels]. "
            f"Received: images of shape={images.shape} and dtype={images.dtype}. "
            "Add a last axis to grey images; turn intensities into integer levels."
        )
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"`labels` do not fit the images: expected {len(images)} integers. "
                f"Received: labels of shape={labels.shape} and dtype={labels.dtype}. "
                "Give each image one class, or pass labels=None."
            )

    def gather(indices, generator):
        batch = images[indices].astype("int32")  # [batch, height, width, channels]
        if random_flip and training:
            flipped = generator.random(len(batch)) < 0.5  # [batch]
            batch[flipped] = batch[flipped, :, ::-1]
        return batch if labels is None else (batch, labels[indices].astype("int32"))

    return batches(gather, len(images), batch_size, training, seed, start_batch)
