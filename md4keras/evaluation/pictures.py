"""Pictures of image tokens: grids as PNG, the reverse process as an animated GIF."""

import io
import os
import tempfile
from pathlib import Path

import numpy as np

from md4keras.files import import_optional

MASK_COLOUR = (214, 51, 132)  # magenta: no grey image has it, and few photographs
_DOUBT_COLOUR = (127, 39, 4)  # the darkest brown of `shades`
_BACKGROUND = 255
_GAP = 1  # pixels between images, before enlarging
_MAX_PIXELS = 2**26


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
        tokens: Integers in `[0, levels)` or `mask_token`, shape `[n, height, width, channels]`
            with 1 or 3 channels.
        levels: Grey or colour levels; 0 is black, `levels - 1` is full intensity.
        columns: Images in a row.
        scale: The side of a pixel's square.
        mask_token: The token that is drawn in `MASK_COLOUR` (magenta); in colour images a masked
            channel is drawn at that colour's intensity. `None` where nothing is masked.
        transparent: Whether what lies between the images is transparent, for pages of any colour;
            else it is white.

    Returns:
        uint8, shape `[grid_height, grid_width, 3]`; 4 for 3 if `transparent`.
    """
    return colour_grid(image_colours(tokens, levels, mask_token), columns, scale, transparent)


def image_colours(tokens, levels: int, mask_token: int | None = None) -> np.ndarray:
    """The colours of images, a pixel each.

    Args:
        tokens, levels, mask_token: As in `image_grid`.

    Returns:
        uint8, shape `[n, height, width, 3]`: red, green and blue.
    """
    tokens = _check_tokens(tokens, levels, mask_token)
    masked = np.zeros(tokens.shape, bool) if mask_token is None else tokens == mask_token
    intensity = np.where(masked, 0, tokens).astype("int64") * 255 // (levels - 1)
    return np.where(masked, MASK_COLOUR, intensity).astype("uint8")


def colour_grid(
    colours, columns: int = 10, scale: int = 8, transparent: bool = False
) -> np.ndarray:
    """Lays pictures out as `image_grid` does, with their colours as they are.

    Args:
        colours: uint8, shape `[n, height, width, 3]`: red, green and blue.
        columns: Pictures in a row.
        scale: The side of a pixel's square.
        transparent: As in `image_grid`.

    Returns:
        uint8, shape `[grid_height, grid_width, 3]`; 4 for 3 if `transparent`.
    """
    colours = _check_colours("colours", colours, "[n, height, width, 3]")
    for name, value in (("columns", columns), ("scale", scale)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. Received: {name}={value!r}. Use 8 or so."
            )
    n, height, width, _ = colours.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    shape = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 4)
    if shape[0] * shape[1] * scale**2 > _MAX_PIXELS:
        raise ValueError(
            f"The picture is too large: expected at most {_MAX_PIXELS} pixels. "
            f"Received: {n} images of {height} x {width} pixels, columns={columns}, "
            f"scale={scale}. Draw fewer images or a smaller scale."
        )
    grid = np.full(shape, _BACKGROUND, "uint8")  # red, green, blue and opacity
    grid[..., 3] = 0
    for i, colour in enumerate(colours):
        top = _GAP + (i // columns) * (height + _GAP)
        left = _GAP + (i % columns) * (width + _GAP)
        grid[top : top + height, left : left + width, :3] = colour
        grid[top : top + height, left : left + width, 3] = 255
    grid = grid if transparent else grid[..., :3]
    return grid.repeat(scale, 0).repeat(scale, 1)


def shades(values, most: float) -> np.ndarray:
    """Colours of amounts: white for 0, over orange, to dark brown for `most`.

    Args:
        values: Floats in `[0, most]`, any shape, such as `entropy_map(...).sum(-1)` of images.
        most: The largest there can be.

    Returns:
        uint8, shape `[*values.shape, 3]`, for `colour_grid`.
    """
    values = np.asarray(values, "float64")
    if not most > 0 or not np.isfinite(values).all() or values.min(initial=0.0) < 0:
        raise ValueError(
            "`values` cannot be shaded: expected finite numbers of at least 0, and a positive "
            f"`most`. Received: values of shape={values.shape}, most={most}. "
            "Pass an entropy map, and `log2` of the vocabulary size."
        )
    share = np.minimum(values / most, 1.0)
    anchors = np.array([(255, 255, 255), (253, 141, 60), _DOUBT_COLOUR])
    colours = np.stack([np.interp(share, (0.0, 0.5, 1.0), band) for band in anchors.T], -1)
    return colours.round().astype("uint8")


def save_image_grid(
    tokens,
    path,
    levels: int,
    columns: int = 10,
    scale: int = 8,
    mask_token: int | None = None,
) -> Path:
    """Writes `image_grid` of the tokens as a PNG; the file is written whole or not at all.

    Args:
        tokens: Integers, shape `[n, height, width, channels]`.
        path: Where the PNG goes; missing folders are made.
        levels, columns, scale, mask_token: As in `image_grid`.

    Returns:
        `path`.
    """
    return _write(path, png_bytes(image_grid(tokens, levels, columns, scale, mask_token)))


def png_bytes(picture) -> bytes:
    """A picture as a PNG file's content.

    Args:
        picture: uint8, shape `[height, width, 3 or 4]`, such as `image_grid` returns.

    Returns:
        The bytes.
    """
    picture = _check_colours("picture", picture, "[height, width, 3 or 4]")
    stream = io.BytesIO()
    _pillow().fromarray(picture).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def save_animation(
    trajectory,
    path,
    levels: int,
    mask_token: int,
    columns: int = 10,
    scale: int = 8,
    duration: float = 4.0,
) -> Path:
    """Writes the reverse process as an animated GIF that loops for ever.

    Masked pixels are magenta (`MASK_COLOUR`). The last frame is held for two seconds.

    Args:
        trajectory: Integers, shape `[steps, n, height, width, channels]`, first state first.
        path: Where the GIF goes; missing folders are made.
        levels: Grey or colour levels.
        mask_token: The token of a masked pixel.
        columns: Images in a row.
        scale: The side of a pixel's square.
        duration: Seconds from the first frame to the last; at most 50 frames a second are shown,
            evenly chosen where there are more.

    Returns:
        `path`.
    """
    return _write(path, gif_bytes(trajectory, levels, mask_token, columns, scale, duration))


def gif_bytes(
    trajectory,
    levels: int,
    mask_token: int,
    columns: int = 10,
    scale: int = 8,
    duration: float = 4.0,
) -> bytes:
    """The animation of `save_animation` as a GIF file's content.

    Args:
        trajectory, levels, mask_token, columns, scale, duration: As in `save_animation`.

    Returns:
        The bytes.
    """
    trajectory = np.asarray(trajectory)
    if trajectory.ndim != 5 or not len(trajectory) or not duration > 0:
        raise ValueError(
            "There is nothing to animate: expected a trajectory of shape "
            "[steps, n, height, width, channels] and a positive duration in seconds. "
            f"Received: trajectory of shape={trajectory.shape}, duration={duration}. "
            "Ask `generate` for it with return_trajectory=True."
        )
    most = max(2, int(duration * 50))
    shown = np.unique(np.linspace(0, len(trajectory) - 1, min(most, len(trajectory))).round())
    pillow = _pillow()
    frames = [
        pillow.fromarray(image_grid(state, levels, columns, scale, mask_token)).quantize(256)
        for state in trajectory[shown.astype(int)]
    ]  # each with a palette of its own
    # GIF counts hundredths of a second, and viewers slow down frames of less than two.
    each = max(20, round(100 * duration / max(1, len(frames) - 1)) * 10)
    stream = io.BytesIO()
    frames[0].save(
        stream,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[each] * (len(frames) - 1) + [2000],
        loop=0,
    )
    return stream.getvalue()


def _check_tokens(tokens, levels, mask_token):
    tokens = np.asarray(tokens)
    good = tokens.ndim == 4 and tokens.size and tokens.shape[-1] in (1, 3)
    good = good and np.issubdtype(tokens.dtype, np.integer) and levels >= 2
    if good:
        values = tokens if mask_token is None else tokens[tokens != mask_token]
        good = not values.size or (values.min() >= 0 and values.max() < levels)
    if not good:
        raise ValueError(
            f"`tokens` are no images: expected integers in [0, {levels}) (or the mask token) of "
            "shape [n, height, width, 1 or 3], and at least 2 levels. Received: tokens of "
            f"shape={tokens.shape}, dtype={tokens.dtype}, mask_token={mask_token}. "
            "Pass the tokens as the model gives them, with the model's levels."
        )
    return tokens


def _check_colours(name, colours, shape):
    colours = np.asarray(colours)
    good = colours.ndim == shape.count(",") + 1 and colours.size
    good = good and str(colours.shape[-1]) in shape.rpartition(",")[2]
    if not good or colours.dtype != "uint8":
        raise ValueError(
            f"`{name}` cannot be drawn: expected uint8 of shape {shape}. "
            f"Received: {name} of shape={colours.shape}, dtype={colours.dtype}. "
            "Turn tokens into colours with `image_grid`."
        )
    return colours


def _pillow():
    return import_optional("PIL.Image", "writes pictures", package="pillow")


def _write(path, content: bytes) -> Path:
    """Writes a temporary file beside `path`, then moves it there in one step."""
    path = Path(path)
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
        partial = None
    except OSError as error:
        raise ValueError(
            f"The picture cannot be written ({error.strerror or error}): expected a folder that "
            f"takes new files. Received: path={str(path)!r}. Name another place."
        ) from error
    finally:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
    return path
