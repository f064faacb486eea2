import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from md4keras import data

pytestmark = pytest.mark.one_backend


def read(path, *arguments, **keywords):
    """All images of a folder, their labels, and the classes' names."""
    splits = data.image_folder(path, *arguments, **keywords, validation_every=None)
    assert splits.validation is splits.test is None
    return *splits.training, splits.class_names


@pytest.fixture
def folder(tmp_path):
    """Two classes of plain images: `dark` and `light`, of several sizes, modes and formats."""
    (tmp_path / "dark").mkdir()
    (tmp_path / "light").mkdir()
    Image.new("RGB", (20, 10), (10, 20, 30)).save(tmp_path / "dark" / "a.png")
    Image.new("L", (8, 16), 40).save(tmp_path / "dark" / "b.bmp")
    Image.new("RGB", (7, 7), (200, 210, 220)).save(tmp_path / "light" / "c.png")
    (tmp_path / "light" / ".hidden").write_text("not an image")
    return tmp_path


def test_sub_folders_are_classes(folder):
    images, labels, names = read(folder, (4, 6, 3))
    assert names == ("dark", "light") and labels.tolist() == [0, 0, 1]
    assert images.shape == (3, 4, 6, 3) and images.dtype == "uint8"
    for image, colour in zip(images, [(10, 20, 30), (40, 40, 40), (200, 210, 220)], strict=True):
        assert (image == colour).all()


def test_one_channel_is_grey_and_levels_are_reduced(folder):
    images, _, _ = read(folder, (5, 5, 1), levels=16)
    assert images.shape == (3, 5, 5, 1) and images.max() < 16
    assert (images[1] == 40 * 16 // 256).all()


def test_images_are_cropped_at_their_centre(tmp_path):
    (tmp_path / "one").mkdir()
    pixels = np.zeros((8, 24), "uint8")
    pixels[:, 8:16] = 255  # a white middle third
    Image.fromarray(pixels).save(tmp_path / "one" / "wide.png")
    images, _, _ = read(tmp_path, (8, 8, 1))
    assert (images == 255).all()


def test_upright_and_on_white(tmp_path):
    (tmp_path / "one").mkdir()
    pixels = np.zeros((8, 8, 3), "uint8")
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # taken upside down
    Image.fromarray(pixels).save(tmp_path / "one" / "a.png", exif=exif)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "one" / "b.png")
    images, _, _ = read(tmp_path, (8, 8, 3))
    assert (images[0, :4] == 0).all() and (images[0, 4:] == 255).all()
    assert (images[1] == 255).all()


def test_other_formats_are_read_and_of_a_camera_with_two_pictures_the_first(tmp_path):
    (tmp_path / "one").mkdir()
    first, second = Image.new("RGB", (8, 8), (90,) * 3), Image.new("RGB", (8, 8))
    first.save(tmp_path / "one" / "a.jpg", "MPO", save_all=True, append_images=[second])
    for name in ("b.webp", "c.tif", "d.ppm", "e.gif", "f.jpeg"):
        first.save(tmp_path / "one" / name)
    images, _, _ = read(tmp_path, (8, 8, 3))
    assert len(images) == 6 and abs(images.astype(int) - 90).max() <= 2


def test_a_very_long_image_takes_no_memory(tmp_path):
    (tmp_path / "one").mkdir()
    Image.new("L", (60_000, 1), 9).save(tmp_path / "one" / "line.png")
    images, _, _ = read(tmp_path, (64, 64, 1))
    assert (images == 9).all()


def _bomb():
    """A PNG of 200 bytes that claims 60,000 x 60,000 pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _encoded(image, form, **keywords):
    stream = io.BytesIO()
    image.save(stream, format=form, **keywords)
    return stream.getvalue()


def _noise():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8"))


BAD = {
    "empty.png": lambda: b"",
    "text.jpg": lambda: b"this is no image",
    "truncated.png": lambda: _encoded(_noise(), "PNG")[:3000],
    "truncated.jpg": lambda: _encoded(_noise(), "JPEG")[:1500],
    "bomb.png": _bomb,
    "moving.gif": lambda: _encoded(
        Image.new("L", (8, 8)), "GIF", save_all=True, append_images=[Image.new("L", (8, 8), 255)]
    ),
    "deep.png": lambda: _encoded(Image.fromarray(np.zeros((8, 8), "uint16")), "PNG"),
    "program.eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
}


@pytest.mark.parametrize("name", BAD)
def test_an_image_that_cannot_be_used_is_named(folder, name):
    (folder / "light" / name).write_bytes(BAD[name]())
    with pytest.raises(ValueError, match=rf"(?s)cannot be used.*Received: path=.*{name}"):
        read(folder, (8, 8, 3))


def test_a_folder_that_holds_no_classes_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match="Received: path="):
            read(path, (8, 8, 3))
    (tmp_path / "hollow").mkdir()
    with pytest.raises(ValueError, match="an empty .*hollow"):
        read(tmp_path, (8, 8, 3))


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 2), (0, 8, 3), (8.0, 8, 3), (9000, 8, 3)])
def test_an_impossible_shape_is_refused(folder, shape):
    with pytest.raises(ValueError, match=r"Received: image_shape=\("):
        read(folder, shape)


def test_the_split_reads_and_holds_out(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        for i in range(5):
            Image.new("L", (4, 4), i).save(tmp_path / name / f"{i}.png")
    splits = data.image_folder(tmp_path, (4, 4, 1), 256, 5)
    (x, y), (x_val, y_val), _, names = splits
    assert names == ("x", "y") and y.tolist() == [0] * 4 + [1] * 4 and y_val.tolist() == [0, 1]
    assert (x_val == 4).all() and x.max() == 3
