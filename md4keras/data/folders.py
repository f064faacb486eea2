"""The user's own images, a folder with one sub-folder a class or an upload, read as tokens."""

import contextlib
import io
import os
import warnings
from pathlib import Path

import numpy as np

from md4keras.data.batches import import_optional

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # none runs other programs
_MAX_PIXELS = 64_000_000
_MAX_UPLOADED_PIXELS = 16_000_000
_MAX_UPLOADED_BYTES = 10_000_000
_MAX_BYTES = 2**33


def image_folder(path, image_shape: tuple[int, int, int], levels: int = 256):
    """Reads a folder of images, one sub-folder a class.

    Each image is turned upright as its EXIF data say, laid on white where it is transparent,
    scaled so that it just covers the asked size, and cropped at its centre. Hidden files are
    passed over; any other file must be an image.

    Args:
        path: A folder. Its sub-folders, in the order of their names, are the classes.
        image_shape: `(height, width, channels)`; 1 channel is grey, 3 are red, green and blue.
        levels: Grey or colour levels of a token, 2 to 256.

    Returns:
        Images, uint8 in `[0, levels)`, shape `[n, height, width, channels]`; labels, int32 of
        shape `[n]`; the classes' names, a tuple.

    Raises:
        ValueError: A file is no image, truncated, animated, of more than 64 million pixels, or
            not of 8 bits a channel. The message names the file.
    """
    height, width, channels = _check_shape(image_shape)
    folders = _class_folders(Path(path).expanduser())
    files = [
        (file, label)
        for label, folder in enumerate(folders)
        for file in sorted(folder.rglob("*"))
        if not file.is_dir() and not file.name.startswith(".")
    ]
    _check_amount(path, folders, files, height * width * channels)
    images = np.empty((len(files), height, width, channels), "uint8")
    for row, (file, _) in enumerate(files):
        images[row] = _read_image(file, height, width, channels)
    labels = np.array([label for _, label in files], "int32")
    return quantise(images, levels), labels, tuple(folder.name for folder in folders)


def image_folder_split(
    path,
    image_shape: tuple[int, int, int],
    levels: int = 256,
    validation_every: int = 10,
):
    """Reads a folder of images as `image_folder` does, and holds out some of each class.

    Args:
        path: A folder with one sub-folder a class.
        image_shape: `(height, width, channels)`.
        levels: Grey or colour levels of a token, 2 to 256.
        validation_every: One image of so many is held out, always the same ones.

    Returns:
        `(x_train, y_train), (x_validation, y_validation), class_names`.
    """
    images, labels, class_names = image_folder(path, image_shape, levels)
    return *split_images(images, labels, validation_every), class_names


def read_image(source, image_shape: tuple[int, int, int], levels: int = 256) -> np.ndarray:
    """Reads one image, of a file or of an upload, as `image_folder` reads its images.

    Args:
        source: A path, or the bytes of an upload: at most 10 MB and 16 million pixels.
        image_shape: `(height, width, channels)`; 1 channel is grey, 3 are red, green and blue.
        levels: Grey or colour levels of a token, 2 to 256.

    Returns:
        uint8 in `[0, levels)`, shape `[height, width, channels]`.

    Raises:
        ValueError: It is no image, truncated, animated, too large, or not of 8 bits a channel.
    """
    return quantise(_read_image(source, *_check_shape(image_shape)), levels)


def image_format(source) -> tuple[int, int, str]:
    """The size and mode of one stored image, before `read_image` fits it.

    Args:
        source: A path, or the bytes of an upload, as in `read_image`.

    Returns:
        Height and width of the upright image, and Pillow's mode, such as `"RGB"` or `"L"` (grey).

    Raises:
        ValueError: `read_image` cannot read it.
    """
    with _opened(source) as image:
        return image.height, image.width, image.mode


def _check_shape(image_shape):
    shape = tuple(image_shape)
    whole = all(isinstance(size, int | np.integer) and 1 <= size <= 8192 for size in shape)
    if len(shape) != 3 or not whole or shape[2] not in (1, 3):
        raise ValueError(
            "`image_shape` must be (height, width, channels) with 1 or 3 channels and sides of "
            f"1 to 8192 pixels. Received: image_shape={image_shape!r}. "
            "Use (32, 32, 3), for instance."
        )
    return shape


def _class_folders(path: Path) -> list[Path]:
    try:
        folders = sorted(
            child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")
        )
    except OSError as error:
        raise ValueError(
            f"This folder cannot be read ({error.strerror}): expected a folder of images. "
            f"Received: path={str(path)!r}. Check the spelling and the permissions."
        ) from error
    if not folders:
        raise ValueError(
            "This folder has no sub-folders: expected one for each class, with its images. "
            f"Received: path={str(path)!r}. Move the images into a sub-folder, even for one class."
        )
    return folders


def _check_amount(path, folders, files, bytes_per_image):
    counts = np.bincount([label for _, label in files], minlength=len(folders))
    if not counts.all():
        empty = folders[int(np.argmin(counts))]
        raise ValueError(
            "A class has no images: expected at least one in every sub-folder. "
            f"Received: an empty {str(empty)!r}. Add images, or remove the folder."
        )
    if len(files) * bytes_per_image > _MAX_BYTES:
        raise ValueError(
            f"These images do not fit in memory: expected at most {_MAX_BYTES} bytes. "
            f"Received: {len(files)} images of {bytes_per_image} bytes in path={str(path)!r}. "
            "Use smaller or fewer images."
        )


def _read_image(source, height, width, channels) -> np.ndarray:
    pillow = import_optional("PIL.Image", "reads the images", package="pillow")
    image_ops = import_optional("PIL.ImageOps", "crops the images", package="pillow")
    with _opened(source) as image:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = pillow.new("RGBA", image.size, "white")
            image = pillow.alpha_composite(white, image)
        image = image.convert("L" if channels == 1 else "RGB")
        # `fit` cuts before it scales: a very long image is never enlarged as a whole.
        image = image_ops.fit(image, (width, height), pillow.Resampling.BICUBIC)
        return np.asarray(image, "uint8").reshape(height, width, channels)


@contextlib.contextmanager
def _opened(source):
    """One image of 8 bits a channel, decoded and upright; what fails within is a `ValueError`."""
    pillow = import_optional("PIL.Image", "reads the images", package="pillow")
    image_ops = import_optional("PIL.ImageOps", "crops the images", package="pillow")
    if isinstance(source, bytes):
        received, most = f"an upload of {len(source)} bytes", _MAX_UPLOADED_PIXELS
        limits = f"{most} pixels and {_MAX_UPLOADED_BYTES} bytes"
    elif isinstance(source, str | os.PathLike):
        received, most = f"path={str(source)!r}", _MAX_PIXELS
        limits = f"{most} pixels"
    else:
        raise ValueError(
            "`source` is no image: expected a path, or an upload's bytes. "
            f"Received: source of {type(source)}. Pass what its `getvalue()` or `read()` returns."
        )
    try:
        if isinstance(source, bytes) and len(source) > _MAX_UPLOADED_BYTES:
            raise ValueError("it has too many bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF data; our limit of pixels is the stricter
            file = io.BytesIO(source) if isinstance(source, bytes) else Path(source).expanduser()
            with pillow.open(file, formats=_FORMATS) as image:
                if image.width * image.height > most:
                    raise ValueError(f"it has {image.width} x {image.height} pixels")
                # An MPO is a camera's JPEG with further pictures behind it: the first one counts.
                if getattr(image, "is_animated", False) and image.format != "MPO":
                    raise ValueError("it has several frames")
                if _is_deep(image):
                    raise ValueError("it has more than 8 bits a channel")
                yield image_ops.exif_transpose(image)  # decodes the pixels
    except MemoryError:
        raise
    except Exception as error:  # damaged files raise nearly any exception in Pillow's decoders
        unknown = type(error).__name__ == "UnidentifiedImageError"
        reason = f"it is none of {', '.join(_FORMATS)}" if unknown else str(error)[:200]
        raise ValueError(
            f"This image cannot be used ({reason}): expected a whole, still image of 8 bits a "
            f"channel and at most {limits}, as JPEG or PNG for instance. "
            f"Received: {received}. Mend it, or leave it out."
        ) from error


def _is_deep(image) -> bool:
    """Whether an image, opened but not yet decoded, has more than 8 bits a channel.

    Pillow's mode says so for grey images alone: it cuts colours of 16 bits to 8 without a word.
    """
    stored = [tile[3] for tile in getattr(image, "tile", ())]  # RGB;16B in a deep PNG
    deep = any(f";16{order}" in str(stored) for order in "BLN")  # BGR;16 is 5, 6 and 5 bits
    if image.format == "PPM":  # (RGB, highest value) where that is not 255
        deep = deep or any(isinstance(args, tuple) and args[1] > 255 for args in stored)
    return deep or image.mode[0] in "IF"


def quantise(images, levels: int) -> np.ndarray:
    """Reduces 256 intensities to fewer levels of equal width.

    Args:
        images: Integers in `[0, 256)`, any shape.
        levels: How many levels, 2 to 256.

    Returns:
        uint8 in `[0, levels)`, the same shape.
    """
    if not isinstance(levels, int | np.integer) or not 2 <= levels <= 256:
        raise ValueError(
            "`levels` must be an integer from 2 to 256. "
            f"Received: levels={levels!r}. Use 256 to keep every intensity."
        )
    level_of = (np.arange(256) * int(levels) // 256).astype("uint8")
    return level_of[images]


def split_images(images, labels, validation_every: int = 10):
    """Holds out every `validation_every`-th image of each class, the same ones each time.

    Args:
        images: Shape `[n, ...]`.
        labels: Integers of shape `[n]`, or `None` (then all images count as one class).
        validation_every: One image of so many is held out; at least 2.

    Returns:
        `(x_train, y_train), (x_validation, y_validation)`.
    """
    if not isinstance(validation_every, int | np.integer) or validation_every < 2:
        raise ValueError(
            "`validation_every` must be an integer of at least 2. "
            f"Received: validation_every={validation_every!r}. Use 10 to hold out a tenth."
        )
    classes = np.zeros(len(images), "int32") if labels is None else np.asarray(labels)
    held_out = np.zeros(len(images), bool)
    for value in np.unique(classes):
        held_out[np.flatnonzero(classes == value)[validation_every - 1 :: validation_every]] = True
    if not held_out.any():
        raise ValueError(
            f"Too few images to hold any out: expected a class of at least {validation_every}. "
            f"Received: {len(images)} images, validation_every={validation_every}. "
            "Add images, or hold out more of them."
        )
    training, validation = (
        (images[part], None if labels is None else labels[part]) for part in (~held_out, held_out)
    )
    return training, validation
