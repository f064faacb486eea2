"""One image as tokens: an upload's bytes are read as the same file would be, or refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from md4keras import data
from md4keras.data import image_files

pytestmark = pytest.mark.one_backend

RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), "uint8"))


def encoded(image, form="PNG", **keywords):
    stream = io.BytesIO()
    image.save(stream, format=form, **keywords)
    return stream.getvalue()


def png(width, height, bits, colour_type, lines):
    """A PNG of the given header and lines, whatever they are."""

    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def moving(form):
    frames = [Image.new("RGB", (8, 8), (value,) * 3) for value in (0, 255)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("form", ["PNG", "BMP", "PPM", "TIFF"])
def test_pixels_of_the_asked_size_are_kept(form):
    tokens = data.read_image(encoded(NOISE, form), (64, 64, 3))
    assert tokens.dtype == "uint8"
    np.testing.assert_array_equal(tokens, np.asarray(NOISE))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_a_file_its_bytes_and_its_folder_give_the_same_tokens(tmp_path, levels):
    (tmp_path / "one").mkdir()
    path = tmp_path / "one" / "a.png"
    path.write_bytes(encoded(NOISE.crop((0, 0, 50, 31))))
    (in_folder,), _ = data.image_folder(tmp_path, (16, 16, 3), levels, None).training
    for source in (path, str(path), path.read_bytes()):
        tokens = data.read_image(source, (16, 16, 3), levels)
        np.testing.assert_array_equal(tokens, in_folder)
        assert tokens.max() < levels


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (7, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_plain_image_of_any_size_keeps_its_grey(size, channels):
    tokens = data.read_image(encoded(Image.new("L", size, 77)), (9, 12, channels))
    assert tokens.shape == (9, 12, channels) and (tokens == 77).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_shows_the_same_black_and_white(mode):
    pixels = np.kron([[0, 255], [255, 0]], np.ones((4, 4))).astype("uint8")
    tokens = data.read_image(encoded(Image.fromarray(pixels).convert(mode)), (8, 8, 1))
    np.testing.assert_array_equal(tokens[..., 0], pixels)


def test_what_is_transparent_lies_on_white():
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert (data.read_image(encoded(half), (4, 4, 3)) == 127).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    seen = data.read_image(encoded(palette), (4, 4, 3))
    hidden = data.read_image(encoded(palette, transparency=1), (4, 4, 3))
    assert (seen == (40, 50, 60)).all() and (hidden == 255).all()


BAD = {
    "empty": lambda: b"",
    "text": lambda: b"this is no image, whatever its name" * 9,
    "svg": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>',
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
    "icon": lambda: encoded(NOISE, "ICO"),  # a format that is not on the list
    "header alone": lambda: encoded(NOISE)[:33],
    "truncated jpeg": lambda: encoded(NOISE, "JPEG")[:1500],
    "truncated png": lambda: encoded(NOISE)[:3000],
    "truncated webp": lambda: encoded(NOISE, "WEBP", lossless=True)[:3000],
    "damaged png": lambda: encoded(NOISE).replace(b"IDAT", b"IDAX"),
    "bomb": lambda: png(60_000, 60_000, 8, 0, b"\0" * 99),
    "too many pixels": lambda: png(4001, 4000, 8, 0, b"\0" * 99),
    "moving gif": lambda: moving("GIF"),
    "moving webp": lambda: moving("WEBP"),
    "moving png": lambda: moving("PNG"),
    "pages": lambda: moving("TIFF"),
    "deep grey": lambda: encoded(Image.fromarray(np.zeros((8, 8), "uint16"))),
    "deep colours": lambda: png(2, 2, 16, 2, (b"\0" + b"\7" * 12) * 2),
    "deep ppm": lambda: b"P6 1 1 65535 " + b"\7" * 6,
    "deep plain ppm": lambda: b"P3 1 1 1023 7 7 7 ",
    "deep tiff": lambda: encoded(Image.fromarray(np.zeros((8, 8), "uint16")), "TIFF"),
    "floats": lambda: encoded(Image.fromarray(np.zeros((8, 8), "float32")), "TIFF"),
}
REASONS = {
    "empty": "none of BMP, GIF",
    "svg": "none of",
    "truncated jpeg": "truncated",
    "bomb": "60000 x 60000|exceeds limit",
    "too many pixels": "4001 x 4000 pixels",
    "moving gif": "several frames",
    "moving png": "several frames",
    "moving webp": "several frames",
    "deep grey": "more than 8 bits",
    "deep colours": "more than 8 bits",
    "deep ppm": "more than 8 bits",
    "deep plain ppm": "more than 8 bits",
}


@pytest.mark.parametrize("name", BAD)
def test_an_upload_that_cannot_be_used_is_described_and_not_shown(name):
    source = BAD[name]()
    with pytest.raises(ValueError) as caught:
        data.read_image(source, (8, 8, 3))
    message = str(caught.value)
    assert f"Received: an upload of {len(source)} bytes. Mend it" in message
    assert "at most 16000000 pixels and 10000000 bytes" in message and len(message) < 500
    assert "BytesIO" not in message
    with pytest.raises(ValueError, match=REASONS.get(name, "cannot be used")):
        data.read_image(source, (8, 8, 3))


def test_the_same_pixels_of_8_bits_are_read():
    for source in (
        png(2, 2, 8, 2, (b"\0" + b"\7" * 6) * 2),
        b"P6 1 1 255 " + b"\7" * 3,
        b"P3 1 1 255 7 7 7 ",
    ):
        assert (data.read_image(source, (2, 2, 3)) == 7).all()


def test_the_limits_are_checked_before_anything_is_decoded(monkeypatch):
    def decode(*arguments, **keywords):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(ValueError, match="4001 x 4000 pixels"):
        data.read_image(BAD["too many pixels"](), (8, 8, 1))
    monkeypatch.setattr("PIL.Image.open", decode)
    with pytest.raises(ValueError, match="too many bytes.*an upload of 10000001 bytes"):
        data.read_image(bytes(10_000_001), (8, 8, 1))


def test_a_file_may_be_larger_than_an_upload(tmp_path):
    source = encoded(Image.new("1", (4001, 4000), 1))
    (tmp_path / "large.png").write_bytes(source)
    assert (data.read_image(tmp_path / "large.png", (2, 2, 1)) == 255).all()
    with pytest.raises(ValueError, match="an upload of"):
        data.read_image(source, (2, 2, 1))
    assert image_files._MAX_UPLOADED_PIXELS < image_files._MAX_PIXELS


def test_a_missing_file_and_what_is_no_source_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"No such file.*Received: path=.*missing\.png"):
        data.read_image(tmp_path / "missing.png", (8, 8, 1))
    for source in (io.BytesIO(encoded(NOISE)), NOISE, None, 3):
        with pytest.raises(ValueError, match="Received: source of <class.*getvalue"):
            data.read_image(source, (8, 8, 1))


def test_an_impossible_shape_or_number_of_levels_is_refused():
    with pytest.raises(ValueError, match="Received: image_shape="):
        data.read_image(encoded(NOISE), (8, 8))
    with pytest.raises(ValueError, match="Received: levels=1"):
        data.read_image(encoded(NOISE), (8, 8, 3), levels=1)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_stored_format_is_told(tmp_path, mode):
    content = encoded(Image.new(mode, (5, 3)))
    (tmp_path / "a.png").write_bytes(content)
    assert data.image_format(content) == (3, 5, mode)
    assert data.image_format(tmp_path / "a.png") == (3, 5, mode)


def test_the_stored_format_is_that_of_the_upright_image():
    turned = Image.new("RGB", (5, 3))
    turned.getexif()[0x0112] = 6  # a quarter turn
    assert data.image_format(encoded(turned, "JPEG", exif=turned.getexif())) == (5, 3, "RGB")


@pytest.mark.parametrize("content", [b"", b"<svg/>", moving("GIF"), encoded(NOISE)[:200]])
def test_what_cannot_be_read_has_no_format(content):
    with pytest.raises(ValueError, match="cannot be used"):
        data.image_format(content)
