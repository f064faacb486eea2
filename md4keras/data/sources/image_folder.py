"""The user's own images: a folder with one sub-folder a class."""

from pathlib import Path

import numpy as np

from md4keras.data.image_files import check_image_shape, read_image
from md4keras.data.images import split_images
from md4keras.data.source import Source, Splits

_MAX_BYTES = 2**33


class ImageFolder(Source):
    """A folder of images, one sub-folder a class; some of each class are for validation.

    Each image is turned upright as its EXIF data say, laid on white where it is transparent,
    scaled so that it just covers the asked size, and cropped at its centre.
    """

    name, kind = "image_folder", "image"
    licence, home = "your own", "a path"

    def __call__(
        self,
        path,
        image_shape: tuple[int, int, int],
        levels: int = 256,
        validation_every: int | None = 10,
    ) -> Splits:
        """Images uint8 in `[0, levels)`, `[n, height, width, channels]`, labels int32 `[n]`.

        Args:
            path: of a folder. Its sub-folders, in the order of their names, are the classes.
                Hidden files are passed over; any other file must be an image.
            image_shape: `(height, width, channels)`; 1 channel is grey, 3 are red, green and blue.
            levels: int, grey or colour levels of a token, 2 to 256.
            validation_every: int, one image of so many is held out, always the same ones; `None`
                for nothing.

        Raises:
            ValueError: if a file is no image, truncated, animated, of more than 64 million pixels,
                or not of 8 bits a channel. The message names the file.
        """
        shape = check_image_shape(image_shape)
        folders = _class_folders(Path(path).expanduser())
        files = [
            (file, label)
            for label, folder in enumerate(folders)
            for file in sorted(folder.rglob("*"))
            if not file.is_dir() and not file.name.startswith(".")
        ]
        y = np.array([label for _, label in files], "int32")
        _check_amount(path, folders, y, shape)
        x = np.empty((len(files), *shape), "uint8")
        for row, (file, _) in enumerate(files):
            x[row] = read_image(file, shape, levels)
        parts = [(x, y), None]
        if validation_every is not None:
            parts = split_images(x, y, validation_every)
        return Splits(*parts, class_names=tuple(folder.name for folder in folders))


image_folder = ImageFolder()


def _class_folders(path: Path) -> list[Path]:
    try:
        folders = sorted(
            child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")
        )
    except OSError as error:
        raise ValueError(
            f"This folder cannot be read ({error.strerror}). Expected a folder of images. "
            f"Received: path={str(path)!r}. Check the spelling and the permissions."
        ) from error
    if not folders:
        raise ValueError(
            "This folder has no sub-folders. Expected one for each class, with its images. "
            f"Received: path={str(path)!r}. Move the images into a sub-folder, even for one class."
        )
    return folders


def _check_amount(path, folders, labels, shape):
    counts = np.bincount(labels, minlength=len(folders))
    if not counts.all():
        empty = folders[int(np.argmin(counts))]
        raise ValueError(
            "A class has no images. Expected at least one in every sub-folder. "
            f"Received: an empty {str(empty)!r}. Add images, or remove the folder."
        )
    if len(labels) * int(np.prod(shape)) > _MAX_BYTES:
        raise ValueError(
            f"These images do not fit in memory. Expected at most {_MAX_BYTES} bytes. "
            f"Received: {len(labels)} images of shape {shape} in path={str(path)!r}. "
            "Use smaller or fewer images."
        )
