"""The step that makes records of the images of TensorFlow Datasets."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from md4keras.data.preparation.engine import Counter
from md4keras.data.preparation.texts import new_writer, write_part
from md4keras.data.tfds_builders import find_builder
from md4keras.files import import_optional

IMAGES = 20_000  # that a rank writes


class Range(NamedTuple):
    """What a rank reads: images `start` to `stop` of a split there, for a split here."""

    split: str
    theirs: str
    start: int
    stop: int


def ranges(builder, splits: dict[str, str], limit: int | None) -> list[Range]:
    """The ranks' ranges of a builder's splits, of each at most `limit` images."""
    found = []
    for split, theirs in splits.items():
        count = builder.info.splits[theirs].num_examples
        count = count if limit is None else min(count, limit)
        starts = range(0, count, IMAGES)
        found += [Range(split, theirs, start, min(start + IMAGES, count)) for start in starts]
    return found


class WriteImages:
    """The only step: a rank's images, as records of the folder that is being prepared.

    Args:
        folder: that is being prepared.
        parts: list of `Range`.
        builder, data_dir: as of `find_builder`.
        shape: tuple, of an image.
        with_labels: bool, whether their classes are kept.
    """

    def __init__(
        self, folder: Path, parts: list[Range], builder: str, data_dir, shape, with_labels: bool
    ):
        self.folder, self.parts, self.builder, self.data_dir = folder, parts, builder, data_dir
        self.shape, self.with_labels = tuple(shape), with_labels

    def __call__(self, data, rank: int = 0, world_size: int = 1) -> None:
        part, counter = self.parts[rank], Counter(self.folder, rank)
        theirs = {each.theirs for each in self.parts}
        source = find_builder(self.builder, self.data_dir, theirs).as_data_source(part.theirs)
        writer = new_writer(self.folder, rank, world_size, "uint8", part.split, ragged=False)
        for number in range(part.start, part.stop):
            example = source[number]
            image = central_square(example["image"], self.shape)
            writer.write(image, example["label"] if self.with_labels else None)
            counter.add(1)
        counter.note()
        write_part(self.folder, rank, {part.split: writer}, {})


def central_square(image, shape) -> np.ndarray:
    """An image of this shape: the central square, scaled by area where it has another size.

    Example:

    >>> image = np.zeros((4, 6, 1), "uint8")
    >>> image[:, 1:5] = 200  # the square
    >>> central_square(image, (2, 2, 1)).ravel()
    array([200, 200, 200, 200], dtype=uint8)
    """
    image = np.asarray(image, "uint8")
    if image.shape == tuple(shape):
        return image
    pillow = import_optional("PIL.Image", "scales the images", "pillow")
    height, width, channels = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    scaled = pillow.fromarray(square[..., 0] if channels == 1 else square).resize(
        (shape[1], shape[0]), pillow.Resampling.BOX
    )
    return np.asarray(scaled, "uint8").reshape(shape)
