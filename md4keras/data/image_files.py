"""Image files and uploads, read as tokens."""

import contextlib
import io
import math
import os
import warnings
from pathlib import Path

import numpy as np

from md4keras.checks import check_whole, is_whole
from md4keras.files import import_optional

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # none runs other programs
_MAX_PIXELS = 64_000_000
_MOST_VALUES = 2**24  # what a saved model may have
_MAX_UPLOADED_PIXELS = 16_000_000
_MAX_UPLOADED_BYTES = 10_000_000


class BadImage(ValueError):
    """An image that cannot be used; `reason` says why in a few words."""

    def __init__(self, message: str, reason: str):
        super().__init__(message)
        self.reason = reason


def read_image(
    source, image_shape: tuple[int, int, int], levels: int = 256, enlarge: bool = True
) -> np.ndarray:
    """Reads one image, as `image_folder` reads its images.

    It is turned upright as its EXIF data say, laid on white where it is transparent, turned to
    grey (by brightness) or to red, green and blue whatever its mode, cut at its centre to the
    asked proportions, scaled (bicubic), and quantised.

    Args:
        source: a path, or the bytes of an upload: at most 10 MB and 16 million pixels.
        image_shape: `(height, width, channels)`; 1 channel is grey, 3 are red, green and blue.
        levels: int, grey or colour levels of a token, 2 to 256.
        enlarge: bool, whether an image may be smaller than the asked size.

    Returns:
        uint8 in `[0, levels)`, `[height, width, channels]`.

    Raises:
        ValueError: if it is no image, truncated, animated, too large, too small (without
            `enlarge`), or has more than 8 bits a channel.

    Example:

    >>> from md4keras.visualization import pictures
    >>> upload = pictures.png_bytes(np.full((4, 6, 3), 255, "uint8"))
    >>> image = read_image(upload, (2, 2, 1), levels=4)
    >>> image.shape, int(image.min())
    ((2, 2, 1), 3)
    """
    height, width, channels = check_image_shape(image_shape)
    pillow = import_optional("PIL.Image", "reads the images", "pillow")
    image_ops = import_optional("PIL.ImageOps", "crops the images", "pillow")
    with _opened(source) as image:
        if not enlarge and (image.height < height or image.width < width):
            raise ValueError(f"it has {image.width} x {image.height} pixels, too few")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = pillow.new("RGBA", image.size, "white")
            image = pillow.alpha_composite(white, image)
        image = image.convert("L" if channels == 1 else "RGB")
        # `fit` cuts before it scales: a very long image is never enlarged as a whole.
        image = image_ops.fit(image, (width, height), pillow.Resampling.BICUBIC)
        return quantise(np.asarray(image, "uint8").reshape(height, width, channels), levels)


def image_format(source) -> tuple[int, int, str]:
    """The size and mode of one stored image, before `read_image` fits it.

    Args:
        source: a path, or the bytes of an upload, as in `read_image`.

    Returns:
        Height and width of the upright image, and Pillow's mode, such as `"RGB"` or `"L"` (grey).

    Raises:
        ValueError: if `read_image` cannot read it.

    Example:

    >>> from md4keras.visualization import pictures
    >>> image_format(pictures.png_bytes(np.zeros((4, 6, 3), "uint8")))
    (4, 6, 'RGB')
    """
    with _opened(source) as image:
        return image.height, image.width, image.mode


def check_image_shape(image_shape) -> tuple[int, int, int]:
    """The shape, if it is that of a grey or colour image."""
    shape = tuple(image_shape)
    whole = all(is_whole(size) and 1 <= size <= 8192 for size in shape)
    if len(shape) != 3 or not whole or shape[2] not in (1, 3) or math.prod(shape) > _MOST_VALUES:
        raise ValueError(
            "`image_shape` cannot be read. Expected (height, width, channels): sides up to 8192, 1 "
            f"or 3 channels, at most {_MOST_VALUES} values. Received: image_shape={image_shape!r}. "
            "Use (32, 32, 3), for instance."
        )
    return shape


@contextlib.contextmanager
def _opened(source):
    """One image of 8 bits a channel, decoded and upright; what fails within is a `ValueError`."""
    pillow = import_optional("PIL.Image", "reads the images", "pillow")
    image_ops = import_optional("PIL.ImageOps", "crops the images", "pillow")
    upload = isinstance(source, bytes)
    if not upload and not isinstance(source, str | os.PathLike):
        raise ValueError(
            "`source` is no image. Expected a path, or an upload's bytes. "
            f"Received: source of {type(source)}. Pass what its `getvalue()` or `read()` returns."
        )
    received = f"an upload of {len(source)} bytes" if upload else f"path={str(source)!r}"
    most = _MAX_UPLOADED_PIXELS if upload else _MAX_PIXELS
    limits = f"{most} pixels and {_MAX_UPLOADED_BYTES} bytes" if upload else f"{most} pixels"
    try:
        if upload and len(source) > _MAX_UPLOADED_BYTES:
            raise ValueError("it has too many bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF data; our limit of pixels is the stricter
            file = io.BytesIO(source) if upload else Path(source).expanduser()
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
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        raise BadImage(
            f"This image cannot be used ({reason}). Expected a still image of 8 bits a channel and "
            f"at most {limits}, as JPEG or PNG for instance. Received: {received}. Mend it, or "
            "leave it out.",
            reason,
        ) from error


def _is_deep(image) -> bool:
    """Whether an image, opened but not yet decoded, has more than 8 bits a channel."""
    # Pillow's mode tells of grey images alone: it cuts colours of 16 bits to 8 without a word.
    stored = [tile[3] for tile in getattr(image, "tile", ())]  # RGB;16B in a deep PNG
    deep = any(f";16{order}" in str(stored) for order in "BLN")  # BGR;16 is 5, 6 and 5 bits
    if image.format == "PPM":  # (RGB, highest value) where that is not 255
        deep = deep or any(isinstance(args, tuple) and args[1] > 255 for args in stored)
    return deep or image.mode[0] in "IF"


def quantise(images, levels: int) -> np.ndarray:
    """Reduces 256 intensities to fewer levels of equal width, uint8 of the same shape.

    Args:
        images: ints in `[0, 256)`, any shape.
        levels: int, how many levels, 2 to 256.

    Example:

    >>> quantise(np.array([0, 127, 128, 255]), levels=2).tolist()
    [0, 0, 1, 1]
    """
    check_whole("levels", levels, least=2, most=256, mend="Use 256 to keep every intensity.")
    level_of = (np.arange(256) * int(levels) // 256).astype("uint8")
    return level_of[images]
