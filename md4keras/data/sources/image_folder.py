"""The user's own images: a folder with one sub-folder a class."""

import itertools
import math
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
            ValueError: if a file cannot be read (see `read_image`; it may have 64 million pixels),
                or a class has none. The message names it.
        """
        shape = check_image_shape(image_shape)
        files = _class_files(Path(path).expanduser())
        y = np.repeat(np.arange(len(files), dtype="int32"), [len(each) for each in files.values()])
        if len(y) * math.prod(shape) > _MAX_BYTES:
            raise ValueError(
                f"These images do not fit in memory. Expected at most {_MAX_BYTES} bytes. "
                f"Received: {len(y)} images of shape {shape}. Use smaller or fewer images."
            )
        x = np.empty((len(y), *shape), "uint8")
        for row, file in enumerate(itertools.chain(*files.values())):
            x[row] = read_image(file, shape, levels)
        whole = validation_every is None
        parts = ((x, y), None) if whole else split_images(x, y, validation_every)
        return Splits(*parts, class_names=tuple(files))


image_folder = ImageFolder()


def _class_files(path: Path) -> dict[str, list[Path]]:
    """The images of each class, by its name, both in order."""
    try:
        folders = [child for child in _shown(path.iterdir()) if child.is_dir()]
    except OSError as error:
        raise ValueError(
            f"This folder cannot be read ({error.strerror}). Expected a folder of images. "
            f"Received: path={str(path)!r}. Check its spelling and permissions."
        ) from error
    if not folders:
        raise ValueError(
            "This folder has no sub-folders. Expected one for each class, with its images. "
            f"Received: path={str(path)!r}. Move the images into a sub-folder, even for one class."
        )
    files = {}
    for folder in folders:
        files[folder.name] = [file for file in _shown(folder.rglob("*")) if not file.is_dir()]
        if not files[folder.name]:
            raise ValueError(
                "A class has no images. Expected at least one in every sub-folder. "
                f"Received: an empty {str(folder)!r}. Add images, or remove the folder."
            )
    return files


def _shown(paths) -> list[Path]:
    return sorted(path for path in paths if not path.name.startswith("."))
