"""Pictures of image tokens: grids as PNG, the reverse process as an animated GIF."""

import io
import os
from pathlib import Path

import numpy as np

from md4keras.checks import Interval, check_integers, check_number, check_whole
from md4keras.files import import_optional, write_whole

__all__ = [
    "MASK_COLOUR",
    "colour_grid",
    "gif_bytes",
    "image_colours",
    "image_grid",
    "png_bytes",
    "save_animation",
    "save_image_grid",
    "shades",
]

MASK_COLOUR = (214, 51, 132)  # magenta: no grey image has it, and few photographs
_SHADES = np.array([(255, 255, 255), (253, 141, 60), (127, 39, 4)])  # white, orange, dark brown
_GAP = 1  # pixels between images, before enlarging
_MAX_PIXELS = 2**26
_COLOUR = "Turn tokens into colours with `image_grid` or `image_colours`."


def image_grid(
    tokens,
    levels: int,
    columns: int = 10,
    scale: int = 8,
    mask_token: int | None = None,
    transparent: bool = False,
) -> np.ndarray:
    """Lays images out in rows, each pixel as a square of one colour.

    Args:
        tokens: int `[n, height, width, channels]` in `[0, levels)` or `mask_token`, with 1 or 3
            channels.
        levels: int, grey or colour levels; 0 is black, `levels - 1` is full intensity.
        columns: int, images in a row.
        scale: int, the side of a pixel's square.
        mask_token: int, the token that is drawn in `MASK_COLOUR` (magenta); in colour images a
            masked channel is drawn at that colour's intensity. `None` where nothing is masked.
        transparent: bool, whether what lies between the images is transparent, for pages of any
            colour; else it is white.

    Returns:
        uint8 `[grid_height, grid_width, 3]`; 4 for 3 if `transparent`.

    Raises:
        ValueError: for what are no images, or a picture that is too large.

    Example:

    >>> image_grid(np.zeros((12, 8, 8, 1), "int32"), levels=17, columns=6, scale=2).shape
    (38, 110, 3)
    """
    return colour_grid(image_colours(tokens, levels, mask_token), columns, scale, transparent)


def image_colours(tokens, levels: int, mask_token: int | None = None) -> np.ndarray:
    """The colours of images: red, green and blue of each pixel, uint8 `[n, height, width, 3]`.

    Args:
        tokens, levels, mask_token: as in `image_grid`.

    Example:

    >>> image_colours(np.array([[[[0], [16], [17]]]]), levels=17, mask_token=17).tolist()
    [[[[0, 0, 0], [255, 255, 255], [214, 51, 132]]]]
    """
    check_whole("levels", levels, least=2, mend="Give as many as the model has.")
    tokens = np.asarray(tokens)
    masked = np.zeros(tokens.shape, bool) if mask_token is None else tokens == mask_token
    shown = np.where(masked, np.zeros_like(tokens), tokens)
    shape = ("n", "height", "width", 3 if tokens.shape[3:] == (3,) else 1)
    mend = "Pass images of 1 or 3 channels, and the model's levels and mask token."
    shown = check_integers("tokens", shown, shape, levels, mend).astype("int64")
    return np.where(masked, MASK_COLOUR, shown * 255 // (levels - 1)).astype("uint8")


def colour_grid(
    colours, columns: int = 10, scale: int = 8, transparent: bool = False
) -> np.ndarray:
    """Lays pictures out as `image_grid` does, with their colours as they are.

    Args:
        colours: uint8 `[n, height, width, 3]`.
        columns, scale, transparent, and what is returned: as in `image_grid`.

    Example:

    >>> colour_grid(np.zeros((3, 2, 2, 3), "uint8"), columns=3, scale=1).shape
    (4, 10, 3)
    """
    axes = ("n", "height", "width", 3)
    colours = check_integers("colours", colours, axes, mend=_COLOUR, dtype=np.uint8)
    check_whole("columns", columns, mend="Use 10 or so.")
    check_whole("scale", scale, mend="Use 8 or so.")
    n, height, width, _ = colours.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    shape = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 4)
    if shape[0] * shape[1] * scale**2 > _MAX_PIXELS:
        raise ValueError(
            f"The picture is too large. Expected at most {_MAX_PIXELS} pixels. Received: {n} "
            f"images of {height} x {width}, scale={scale}. Draw fewer or at a smaller scale."
        )
    grid = np.full(shape, (255, 255, 255, 0), "uint8")  # red, green, blue and opacity
    for i, picture in enumerate(colours):
        top, left = i // columns * (height + _GAP) + _GAP, i % columns * (width + _GAP) + _GAP
        square = grid[top : top + height, left : left + width]
        square[..., :3], square[..., 3] = picture, 255
    grid = grid if transparent else grid[..., :3]
    return grid.repeat(scale, 0).repeat(scale, 1)


def shades(values, most: float) -> np.ndarray:
    """Colours of amounts, uint8 `[*shape, 3]`: white for 0, over orange, to dark brown for `most`.

    Args:
        values: float `[*shape]` in `[0, most]`, such as `entropy_map(...).sum(-1)` of images.
        most: float, the largest there can be.

    Example:

    >>> shades([0.0, 2.0], most=2.0).shape
    (2, 3)
    """
    values = np.asarray(values, "float64")
    if not most > 0 or not np.isfinite(values).all() or values.min(initial=0.0) < 0:
        raise ValueError(
            "`values` cannot be shaded. Expected finite numbers, at least 0, and `most` above 0. "
            f"Received: values of shape={values.shape}, most={most}. Pass an entropy map in bits, "
            "and `log2` of the vocabulary size."
        )
    share = np.minimum(values / most, 1.0)
    colours = np.stack([np.interp(share, (0.0, 0.5, 1.0), band) for band in _SHADES.T], -1)
    return colours.round().astype("uint8")


def save_image_grid(
    tokens,
    path: str | os.PathLike,
    levels: int,
    columns: int = 10,
    scale: int = 8,
    mask_token: int | None = None,
) -> Path:
    """Writes `image_grid` of the tokens as a PNG; returns its path.

    Args:
        tokens, levels, columns, scale, mask_token: as in `image_grid`.
        path: of the file; missing folders are made.

    Raises:
        ValueError: as `image_grid` does.
        OSError: as `md4keras.files.write_whole` does: what stood there before still does.

    Example:

    >>> save_image_grid(np.zeros((2, 8, 8, 1), "int32"), "digits.png", levels=17).name
    'digits.png'
    """
    return write_whole(path, png_bytes(image_grid(tokens, levels, columns, scale, mask_token)))


def png_bytes(picture) -> bytes:
    """A picture, uint8 `[height, width, 3 or 4]` such as `image_grid` returns, as a PNG file.

    Example:

    >>> png_bytes(np.zeros((4, 4, 3), "uint8"))[1:4]
    b'PNG'
    """
    shape = ("height", "width", 4 if np.shape(picture)[2:] == (4,) else 3)
    picture = check_integers("picture", picture, shape, mend=_COLOUR, dtype=np.uint8)
    stream = io.BytesIO()
    pillow = import_optional("PIL.Image", "writes pictures", "pillow")
    pillow.fromarray(picture).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def save_animation(
    trajectory,
    path: str | os.PathLike,
    levels: int,
    mask_token: int,
    columns: int = 10,
    scale: int = 8,
    duration: float = 4.0,
) -> Path:
    """Writes `gif_bytes` to a file, as `save_image_grid` does; returns its path.

    Example:

    >>> states = np.stack([np.full((2, 8, 8, 1), 17), np.zeros((2, 8, 8, 1), "int32")])
    >>> save_animation(states, "digits.gif", levels=17, mask_token=17).name
    'digits.gif'
    """
    return write_whole(path, gif_bytes(trajectory, levels, mask_token, columns, scale, duration))


def gif_bytes(
    trajectory,
    levels: int,
    mask_token: int,
    columns: int = 10,
    scale: int = 8,
    duration: float = 4.0,
) -> bytes:
    """The reverse process as an animated GIF that loops for ever.

    Masked pixels are magenta (`MASK_COLOUR`). The last frame is held for two seconds.

    Args:
        trajectory: int `[steps + 1, n, height, width, channels]`, first state first.
        levels, mask_token, columns, scale: as in `image_grid`.
        duration: float, seconds from the first frame to the last; at most 50 frames a second are
            shown, evenly chosen where there are more.

    Returns:
        The file's content.

    Raises:
        ValueError: for what is no trajectory of images, or no duration.

    Example:

    >>> noise, digits = np.full((2, 8, 8, 1), 17), md4keras.data.digits().training[0][:2]
    >>> gif_bytes([noise, digits], levels=17, mask_token=17, scale=1)[:6]
    b'GIF89a'
    """
    mend = "Stack the tokens of the states of `model.sample_steps`."
    shape = ("steps + 1", "n", "height", "width", "channels")
    trajectory = check_integers("trajectory", trajectory, shape, mend=mend)
    check_number("duration", duration, Interval(with_low=False), "Use 4 seconds or so.")
    most = max(2, int(duration * 50))
    shown = np.unique(np.linspace(0, len(trajectory) - 1, min(most, len(trajectory))).round())
    pillow = import_optional("PIL.Image", "writes pictures", "pillow")
    frames = [
        pillow.fromarray(image_grid(state, levels, columns, scale, mask_token)).quantize(256)
        for state in trajectory[shown.astype(int)]
    ]  # each with a palette of its own
    # GIF counts hundredths of a second, and viewers slow down frames of less than two.
    each = max(20, round(100 * duration / max(1, len(frames) - 1)) * 10)
    stream = io.BytesIO()
    durations = [each] * (len(frames) - 1) + [2000]
    settings = dict(save_all=True, append_images=frames[1:], duration=durations, loop=0)
    frames[0].save(stream, format="GIF", **settings)
    return stream.getvalue()
