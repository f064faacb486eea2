import io

import numpy as np
import pytest
from PIL import Image

from md4keras.visualization.pictures import (
    MASK_COLOUR,
    colour_grid,
    gif_bytes,
    image_grid,
    png_bytes,
    save_animation,
    save_image_grid,
    shades,
)

pytestmark = pytest.mark.one_backend


def test_every_pixel_becomes_a_square_of_its_grey():
    tokens = np.array([0, 8, 16, 4]).reshape(1, 2, 2, 1)
    grid = image_grid(tokens, levels=17, scale=3)
    assert grid.shape == (12, 12, 3) and grid.dtype == "uint8"  # one pixel of gap on every side
    inner = grid[3:-3, 3:-3].reshape(2, 3, 2, 3, 3)
    for i, grey in enumerate([0, 127, 255, 63]):
        assert (inner[i // 2, :, i % 2] == grey).all()


def test_images_are_laid_out_row_by_row():
    tokens = np.zeros((5, 1, 1, 1), int)
    tokens[4] = 1
    grid = image_grid(tokens, levels=3, columns=3, scale=1)
    assert grid.shape == (5, 7, 3)
    assert (grid[3, 3] == 127).all()  # the fifth: second row, second column
    assert (grid[3, 5] == 255).all()  # no sixth: background


def test_between_images_a_grid_is_transparent_where_that_is_wanted():
    tokens = np.arange(5).reshape(5, 1, 1, 1)
    settings = {"levels": 5, "columns": 3, "scale": 2}
    grid, opaque = image_grid(tokens, **settings, transparent=True), image_grid(tokens, **settings)
    assert grid.shape == (*opaque.shape[:2], 4)
    np.testing.assert_array_equal(grid[..., :3], opaque)
    assert (grid[..., 3] == 255).sum() == 5 * 2 * 2 and (grid[2:4, 2:4, 3] == 255).all()
    with Image.open(io.BytesIO(png_bytes(grid))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), grid)


def test_masks_have_a_colour_that_no_grey_has():
    grid = image_grid(np.array([[[[2]], [[0]]]]), levels=2, scale=1, mask_token=2)
    assert tuple(grid[1, 1]) == MASK_COLOUR and tuple(grid[2, 1]) == (0, 0, 0)
    assert len(set(MASK_COLOUR)) == 3


def test_colours_are_kept_and_masked_channel_by_channel():
    tokens = np.array([255, 128, 0, 256, 7, 256]).reshape(1, 1, 2, 3)
    grid = image_grid(tokens, levels=256, scale=1, mask_token=256)
    assert grid[1, 1].tolist() == [255, 128, 0]
    assert grid[1, 2].tolist() == [MASK_COLOUR[0], 7, MASK_COLOUR[2]]


def test_the_png_holds_the_grid(tmp_path):
    tokens = np.random.default_rng(0).integers(0, 18, (7, 3, 5, 1))
    path = save_image_grid(tokens, tmp_path / "a" / "b.png", 17, columns=4, mask_token=17)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(
            np.asarray(picture), image_grid(tokens, 17, columns=4, mask_token=17)
        )
    assert [file.name for file in path.parent.iterdir()] == ["b.png"]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_animation_goes_from_masks_to_the_last_state_and_holds_it(tmp_path, channels):
    rng = np.random.default_rng(0)
    final = rng.integers(0, 17, (2, 4, 4, channels))
    order = rng.random(final.shape)
    trajectory = np.stack([np.where(order < k / 8, final, 17) for k in range(9)])
    path = save_animation(trajectory, tmp_path / "x.gif", 17, mask_token=17, duration=1.6)
    with Image.open(path) as picture:
        assert picture.n_frames == 9 and picture.info["loop"] == 0
        durations = []
        for frame, state in enumerate(trajectory):
            picture.seek(frame)
            durations.append(picture.info["duration"])
            shown = np.asarray(picture.convert("RGB")).astype(int)
            wanted = image_grid(state, 17, mask_token=17)
            assert np.abs(shown - wanted).max() <= 16  # 256 colours at most
        assert durations == [200] * 8 + [2000]


def test_the_colours_of_grey_images_are_exact_in_the_animation(tmp_path):
    trajectory = np.arange(34).reshape(2, 1, 17, 1, 1) % 18
    path = save_animation(trajectory, tmp_path / "x.gif", 17, mask_token=17)
    with Image.open(path) as picture:
        for frame, state in enumerate(trajectory):
            picture.seek(frame)
            np.testing.assert_array_equal(
                np.asarray(picture.convert("RGB")), image_grid(state, 17, mask_token=17)
            )


def test_long_trajectories_are_thinned_to_what_can_be_seen(tmp_path):
    trajectory = np.repeat(np.arange(500) % 2, 4).reshape(500, 1, 2, 2, 1)
    trajectory[:, 0, 0, 0, 0] = np.arange(500) % 250
    path = save_animation(trajectory, tmp_path / "x.gif", 256, 256, scale=1, duration=1)
    with Image.open(path) as picture:
        assert picture.n_frames <= 50


@pytest.mark.parametrize("columns, scale", [(1, 1), (3, 2), (10, 8)])
def test_colours_of_256_levels_are_laid_out_as_they_are(columns, scale):
    colours = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 3), "uint8")
    grid = colour_grid(colours, columns, scale)
    np.testing.assert_array_equal(grid, image_grid(colours, 256, columns, scale))
    pixels = grid[::scale, ::scale]  # one of each square
    for i, picture in enumerate(colours):
        top, left = 1 + 4 * (i // columns), 1 + 5 * (i % columns)
        np.testing.assert_array_equal(pixels[top : top + 3, left : left + 4], picture)


def test_the_bytes_of_a_png_hold_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (5, 9, 3), "uint8")
    with Image.open(io.BytesIO(png_bytes(picture))) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), picture)


def test_the_bytes_are_those_of_the_files(tmp_path):
    trajectory = np.arange(36).reshape(3, 2, 2, 3, 1) % 18
    path = save_animation(trajectory, tmp_path / "x.gif", 17, 17, columns=1, scale=2, duration=1)
    assert path.read_bytes() == gif_bytes(trajectory, 17, 17, columns=1, scale=2, duration=1)
    path = save_image_grid(trajectory[0], tmp_path / "x.png", 17, 1, 2, mask_token=17)
    assert path.read_bytes() == png_bytes(image_grid(trajectory[0], 17, 1, 2, mask_token=17))


@pytest.mark.parametrize("states", [1, 2])
def test_a_short_trajectory_is_animated_whole(states):
    content = gif_bytes(np.arange(states).reshape(-1, 1, 1, 1, 1), 2, 2)
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "GIF" and getattr(image, "n_frames", 1) == states


def test_what_are_no_colours_is_refused():
    good = np.zeros((2, 3, 3, 3), "uint8")
    for colours in (good[0], good[..., :1], good[:0], good.astype(int), good / 2):
        with pytest.raises(ValueError, match="Received: colours of shape"):
            colour_grid(colours)
    for picture in (good, good[0, 0], good[0, :0], good[0].astype(float)):
        with pytest.raises(ValueError, match="Received: picture of shape"):
            png_bytes(picture)
    with pytest.raises(ValueError, match="scale=0"):
        colour_grid(good, scale=0)


def test_shades_darken_from_white():
    colours = shades(np.linspace(0, 3, 31).reshape(1, 31, 1), 3.0)
    assert colours.shape == (1, 31, 1, 3) and colours.dtype == "uint8"
    assert (colours[0, 0] == 255).all()
    assert (np.diff(colours.astype(int).sum(-1).ravel()) < 0).all()
    np.testing.assert_array_equal(shades(4.0, 3.0), colours[0, -1, 0])
    for values, most in ([-1.0], 1.0), ([np.nan], 1.0), ([0.0], 0.0):
        with pytest.raises(ValueError, match="Received: values of shape"):
            shades(values, most)


def test_what_cannot_be_drawn_is_refused(tmp_path):
    good = np.zeros((2, 3, 3, 1), int)
    for tokens in (good[0], good + 2, good - 1, good / 2, good[:0], np.zeros((2, 3, 3, 2), int)):
        with pytest.raises(ValueError, match="Received: tokens"):
            image_grid(tokens, levels=2)
    with pytest.raises(ValueError, match="columns=0"):
        image_grid(good, 2, columns=0)
    with pytest.raises(ValueError, match="too large.*scale=100000"):
        image_grid(good, 2, scale=100_000)
    with pytest.raises(ValueError, match="Received: trajectory"):
        save_animation(good, tmp_path / "x.gif", 2, 2)
    for duration in (0, -1, float("nan")):
        with pytest.raises(ValueError, match=f"duration={duration}"):
            gif_bytes(good[None], 2, 2, duration=duration)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="'.*file'"):
        save_image_grid(np.zeros((1, 2, 2, 1), int), tmp_path / "file" / "x.png", 2)


def test_a_failed_write_keeps_the_old_picture(tmp_path, monkeypatch):
    path = save_image_grid(np.zeros((1, 2, 2, 1), int), tmp_path / "x.png", 2)
    before = path.read_bytes()

    def full_disk(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space left on device"):
        save_image_grid(np.ones((1, 2, 2, 1), int), path, 2)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]
