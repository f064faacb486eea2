"""Images as tokens: reading one, splitting many, and the batches made of them."""

import numpy as np

from md4keras.checks import check_integers, check_whole
from md4keras.data.batches import batches
from md4keras.data.image_files import image_format, quantise, read_image

__all__ = ["image_dataset", "image_format", "quantise", "read_image", "split_images"]


def split_images(images, labels, validation_every: int = 10):
    """Holds out every `validation_every`-th image of each class, the same ones each time.

    Args:
        images: array `[n, ...]`.
        labels: ints `[n]`, or `None` (then all images count as one class).
        validation_every: int, one image of so many is held out; at least 2.

    Returns:
        `(x_train, y_train), (x_validation, y_validation)`.

    Example:

    >>> (x, y), (held_out, _) = split_images(np.arange(20), np.zeros(20, "int32"))
    >>> held_out.tolist()
    [9, 19]
    """
    check_whole("validation_every", validation_every, least=2, mend="Use 10 for a tenth.")
    classes = np.zeros(len(images), "int32") if labels is None else np.asarray(labels)
    held_out = np.zeros(len(images), bool)
    for value in np.unique(classes):
        held_out[np.flatnonzero(classes == value)[validation_every - 1 :: validation_every]] = True
    if not held_out.any():
        raise ValueError(
            f"Too few images to hold any out. Expected a class of {validation_every} or more. "
            f"Received: {len(images)} images, validation_every={validation_every}. "
            "Add images, or hold out more of them."
        )
    training, validation = (
        (images[part], None if labels is None else labels[part]) for part in (~held_out, held_out)
    )
    return training, validation


def image_dataset(
    images,
    labels,
    batch_size: int,
    training: bool,
    seed: int = 0,
    start_batch: int = 0,
    random_flip: bool = False,
):
    """Batches of images, ready for `fit` (`training=True`) or `evaluate`, in `batches`' order.

    Args:
        images: ints (grey or colour levels), `[n, height, width, channels]`.
        labels: ints `[n]`, or `None`.
        batch_size, training, seed, start_batch: as in `batches`.
        random_flip: bool, whether every second image or so is mirrored left to right in training.
            Not for digits or letters.

    Returns:
        A `grain.IterDataset` of `(images, labels)`, int32 `[batch, height, width, channels]` and
        `[batch]`; of images alone where `labels` is `None`.

    Example:

    >>> images, labels = md4keras.data.digits().training
    >>> data = md4keras.data.image_dataset(images, labels, batch_size=32, training=True)
    >>> x, y = next(iter(data))
    >>> x.shape, y.shape
    ((32, 8, 8, 1), (32,))
    """
    gather = image_gather(images, labels, random_flip and training)
    return batches(gather, len(images), batch_size, training, seed, start_batch)


def image_gather(images, labels=None, random_flip: bool = False):
    """The function of indices that `batches` takes, for images and labels as of `image_dataset`.

    Example:

    >>> gather = md4keras.data.image_gather(np.zeros((5, 8, 8, 1), "uint8"))
    >>> gather(np.array([0, 3]), None).shape
    (2, 8, 8, 1)
    """
    shape = ("n", "height", "width", "channels")
    mend = "Add a last axis to grey images; turn intensities into integer levels."
    images = check_integers("images", images, shape, mend=mend)
    if labels is not None:
        mend = "Give each image one class, or pass labels=None."
        labels = check_integers("labels", labels, (len(images),), mend=mend)

    def gather(indices, generator):
        batch = images[indices].astype("int32")  # [batch, height, width, channels]
        if random_flip:
            flipped = generator.random(len(batch)) < 0.5  # [batch]
            batch[flipped] = batch[flipped, :, ::-1]
        return batch if labels is None else (batch, labels[indices].astype("int32"))

    return gather
