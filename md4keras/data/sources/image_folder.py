"""The user's own images: a folder with one sub-folder a class."""

import itertools
import math
from pathlib import Path

import numpy as np

from md4keras.data.folders import (
    check_bad,
    facts_of_files,
    files_below,
    is_shown,
    name_in,
    opening,
    printable,
)
from md4keras.data.image_files import BadImage, check_image_shape, read_image
from md4keras.data.images import split_images
from md4keras.data.source import Source, Splits

_MAX_BYTES = 2**33
_ENDINGS = set("png jpg jpeg jpe jfif jif bmp dib gif webp tif tiff ppm pgm pbm pnm".split())
# Images too, though not read: they are named as bad, rather than left out.
_ENDINGS |= set(
    "heic heif avif jxl jp2 j2k svg ico psd xcf tga pcx exr hdr dng cr2 nef arw".split()
)


class ImageFolder(Source):
    """A folder of images, one sub-folder a class; some of each class are for validation.

    How an image is read: see `md4keras.data.read_image`. None is enlarged.

    Example:

    >>> from md4keras.visualization import pictures
    >>> for i in range(4):
    ...     path = pictures.save_image_grid(np.full((1, 8, 8, 1), i), f"mine/cat/{i}.png", levels=4)
    >>> read = md4keras.data.image_folder("mine", (8, 8, 1), levels=4, validation_every=2)
    >>> read.class_names, len(read.training[0]), len(read.validation[0])
    (('cat',), 2, 2)
    """

    name, kind = "image_folder", "image"
    licence, home = "your own", "a path"

    def __call__(
        self,
        path,
        image_shape: tuple[int, int, int],
        levels: int = 256,
        validation_every: int | None = 10,
        skip_bad: bool = False,
    ) -> Splits:
        """Images uint8 in `[0, levels)`, `[n, height, width, channels]`, labels int32 `[n]`.

        Args:
            path: of a folder. Its sub-folders, in the order of their names, are the classes.
                Hidden files and links to folders below a class are passed over; files beside the
                classes, or with an ending that is none of an image, are named in `facts`; any other
                file must be an image.
            image_shape: `(height, width, channels)`; 1 channel is grey, 3 are red, green and blue.
            levels: int, grey or colour levels of a token, 2 to 256.
            validation_every: int, one image of so many is held out of each class, always the same
                ones (a class with fewer has none); `None` for nothing.
            skip_bad: bool, whether files that are damaged, too small or no images are left out,
                and classes without any other; otherwise they are an error.

        Raises:
            ValueError: for bad files (see `read_image`; one may have 64 million pixels) and classes
                without images, all of which the message names.
        """
        shape = check_image_shape(image_shape)
        path = Path(path).expanduser()
        classes, others = _class_files(path)
        count = sum(map(len, classes.values()))
        if count * math.prod(shape) > _MAX_BYTES:
            raise ValueError(
                f"These images do not fit in memory. Expected at most {_MAX_BYTES} bytes. "
                f"Received: {count} images of shape {shape}. Use smaller or fewer images."
            )
        x = np.empty((count, *shape), "uint8")
        names, y, used, bad = [], [], [], []
        for name, files in classes.items():
            before = len(used)
            for file in files:
                try:
                    x[len(used)] = read_image(file, shape, levels, enlarge=False)
                except BadImage as error:
                    bad.append({"name": name_in(path, file), "reason": error.reason})
                else:
                    y.append(len(names))
                    used.append(file)
            if len(used) > before:
                names.append(printable(name))
            else:
                reason = "this class has no image that can be used"
                bad.append({"name": f"{printable(name)}/", "reason": reason})
        expected = f"still images of 8 bits a channel, at least {shape[1]} x {shape[0]} pixels"
        check_bad(bad, len(used), skip_bad, expected, path)
        x, y = x[: len(used)], np.array(y, "int32")
        parts, split = _split(x, y, len(names), validation_every)
        facts = facts_of_files(self.name, path, used, bad, others)
        facts |= {"images": len(y), "classes": names, "split": split}
        return Splits(*parts, class_names=tuple(names), facts=facts)


image_folder = ImageFolder()


def _class_files(path: Path) -> tuple[dict[str, list[Path]], list[Path]]:
    """The images of each class, by its name, and the files of other kinds, all in order."""
    with opening(path, "a folder of images", "Check its spelling and permissions."):
        shown = sorted(child for child in path.iterdir() if is_shown(child.name))
        below = {child.name: files_below(child) for child in shown if child.is_dir()}
    if not below:
        raise ValueError(
            "This folder has no sub-folders. Expected one for each class, with its images. "
            f"Received: path={str(path)!r}. Move the images into a sub-folder, even for one class."
        )
    files = {name: [f for f in found if _may_be_image(f)] for name, found in below.items()}
    others = [child for child in shown if not child.is_dir()]
    others += [f for f in itertools.chain(*below.values()) if not _may_be_image(f)]
    return files, others


def _may_be_image(file: Path) -> bool:
    """Whether a file has the ending of an image, or none."""
    return file.suffix.lower().lstrip(".") in _ENDINGS or not file.suffix


def _split(x, y, num_classes: int, every: int | None):
    if every is None:
        return ((x, y), None), "nothing is held out"
    parts = split_images(x, y, every)
    held_out = len(parts[1][1])
    split = f"every {every}th image of each class is held out, {held_out} of {len(y)}"
    if lacking := num_classes - len(np.unique(parts[1][1])):
        split += f"; {lacking} of the classes have fewer than {every}, and none"
    return parts, split
