import io
import json
import os
import shutil
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
    Image.new("RGB", (9, 9), (200, 210, 220)).save(tmp_path / "light" / "c.png")
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
    Image.new("L", (60_000, 64), 9).save(tmp_path / "one" / "line.png")
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


def _turned():
    """7 pixels wide and 20 high, once it is upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encoded(Image.new("L", (20, 7)), "JPEG", exif=exif)


def _broken():
    return _encoded(_noise(), "PNG").replace(b"IDAT", b"IDAX")


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
    "program.png": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
    "drawing.svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>',
    "unnamed": lambda: b"this is no image",
    "broken.png": lambda: _broken(),
    "small.png": lambda: _encoded(Image.new("L", (30, 6)), "PNG"),
    "turned.jpg": lambda: _turned(),
}


@pytest.mark.parametrize("name", BAD)
def test_an_image_that_cannot_be_used_is_named(folder, name):
    (folder / "light" / name).write_bytes(BAD[name]())
    with pytest.raises(ValueError, match=rf"cannot be used.*Received: path=.*{name}.*skip_bad"):
        read(folder, (8, 8, 3))
    splits = data.image_folder(folder, (8, 8, 3), validation_every=None, skip_bad=True)
    assert len(splits.training[0]) == splits.facts["images"] == splits.facts["files"] == 3
    assert splits.training[1].tolist() == [0, 0, 1]
    (skipped,) = splits.facts["skipped"]
    assert skipped["name"] == f"light/{name}" and skipped["reason"]


def test_a_folder_that_holds_no_classes_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match="Received: path="):
            read(path, (8, 8, 3))
    (tmp_path / "hollow").mkdir()
    with pytest.raises(
        ValueError, match="This folder cannot be used: this class has no image.*hollow"
    ):
        read(tmp_path, (8, 8, 3))


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 2), (0, 8, 3), (8.0, 8, 3), (9000, 8, 3), (4096, 4096, 3)]
)
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


def test_all_bad_files_are_in_one_message(folder):
    for name, content in BAD.items():
        (folder / "light" / name).write_bytes(content())
    with pytest.raises(ValueError) as caught:
        read(folder, (8, 8, 3))
    message = str(caught.value)
    assert message.startswith(f"{len(BAD)} of {len(BAD) + 3} files cannot be used. Expected")
    assert all(f"\n  light/{name}: " in message for name in BAD)
    splits = data.image_folder(folder, (8, 8, 3), validation_every=None, skip_bad=True)
    assert [bad["name"] for bad in splits.facts["skipped"]] == sorted(f"light/{n}" for n in BAD)
    assert any(f"Skipped {len(BAD)}" in line for line in splits.describe())


def test_a_long_list_is_cut_and_counted(folder):
    for number in range(33):
        (folder / "dark" / f"{number:02}.png").write_text("no image")
    with pytest.raises(ValueError) as caught:
        read(folder, (8, 8, 3))
    assert str(caught.value).startswith("33 of 36") and str(caught.value).endswith("and 13 more")
    assert str(caught.value).count("\n") == 21


def test_nothing_but_bad_files_is_an_error_whatever_is_skipped(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.png").write_text("no image")
    for skip_bad in (False, True):
        with pytest.raises(ValueError, match=r"(?s)2 of 2 files and folders.*one/a\.png") as caught:
            data.image_folder(tmp_path, (8, 8, 3), skip_bad=skip_bad)
        assert "skip_bad" not in str(caught.value)


def test_classes_without_images_are_told_together_and_can_be_skipped(folder):
    for name in ("bad", "empty", "other"):
        (folder / name).mkdir()
    (folder / "bad" / "a.png").write_text("no image")
    (folder / "other" / "notes.md").write_text("no image either")
    bad = ["bad/a.png", "bad/", "empty/", "other/"]
    with pytest.raises(ValueError, match="^4 of 7 files and folders cannot be used") as caught:
        read(folder, (8, 8, 3))
    lines = str(caught.value).splitlines()[1:]
    assert [line.partition(": ")[0].strip() for line in lines] == bad
    splits = data.image_folder(folder, (8, 8, 3), skip_bad=True, validation_every=None)
    assert splits.class_names == ("dark", "light")  # and their numbers have no gap
    assert splits.training[1].tolist() == [0, 0, 1]
    assert [each["name"] for each in splits.facts["skipped"]] == bad
    assert all(name in " ".join(splits.describe()) for name in bad)


@pytest.mark.parametrize("ending", ["jsonl", "md", "yaml", "npy", "JSON", "csv", "html", "xyz"])
def test_files_with_the_ending_of_something_else_are_named_and_left_out(folder, ending):
    (folder / "dark" / f"labels.{ending}").write_text("no image")
    facts = data.image_folder(folder, (8, 8, 3), validation_every=None).facts
    assert facts["images"] == 3
    assert facts["ignored"] == {"count": 1, "names": [f"dark/labels.{ending}"]}


@pytest.mark.parametrize("ending", ["heic", "avif", "svg", "PSD", "JPG"])
def test_images_that_cannot_be_read_are_not_left_out_in_silence(folder, ending):
    (folder / "dark" / f"photo.{ending}").write_bytes(b"of another format")
    with pytest.raises(ValueError, match=f"cannot be used.*photo.{ending}"):
        read(folder, (8, 8, 3))


def test_what_was_read_is_told(folder):
    (folder / "light" / "notes.txt").write_text("taken in May")
    (folder / "light" / "labels.csv").write_text("a,b")
    (folder / "beside.png").write_bytes(_encoded(_noise(), "PNG"))
    (folder / "light" / "Thumbs.db").write_bytes(b"x")
    splits = data.image_folder(folder, (8, 8, 3), validation_every=None)
    facts = splits.facts
    assert facts["source"] == "image_folder" and facts["images"] == facts["files"] == 3
    assert facts["classes"] == ["dark", "light"] and facts["skipped"] == []
    names = ["beside.png", "light/labels.csv", "light/notes.txt"]
    assert facts["ignored"] == {"count": 3, "names": names}
    assert json.loads(json.dumps(facts)) == facts
    assert splits.describe() == [
        "Read image_folder: 3 files, 3 images, 2 classes (dark, light).",
        "Validation: nothing is held out.",
        "Not read, 3 of another kind: beside.png, light/labels.csv, light/notes.txt.",
    ]


def test_the_fingerprint_is_that_of_names_and_contents_wherever_they_are(folder, tmp_path):
    def fingerprint(path, **how):
        return data.image_folder(path, (8, 8, 3), validation_every=None, **how).facts["fingerprint"]

    before = fingerprint(folder)
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    shutil.rmtree(folder / "elsewhere" / "copy" / "elsewhere", ignore_errors=True)
    assert fingerprint(moved) == before
    (moved / "light" / "bad.png").write_text("no image")
    assert fingerprint(moved, skip_bad=True) == before  # what was not used does not count
    (moved / "light" / "bad.png").unlink()
    (moved / "light" / "c.png").rename(moved / "light" / "d.png")
    assert fingerprint(moved) != before
    (moved / "light" / "d.png").rename(moved / "light" / "c.png")
    Image.new("RGB", (9, 9), (200, 210, 221)).save(moved / "light" / "c.png")
    assert fingerprint(moved) != before


def test_the_split_says_which_classes_have_none(tmp_path):
    for name, count in (("many", 20), ("one", 1)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("L", (4, 4), i).save(tmp_path / name / f"{i:02}.png")
    facts = data.image_folder(tmp_path, (4, 4, 1)).facts
    assert facts["split"] == (
        "every 10th image of each class is held out, 2 of 21; 1 of the classes have fewer than 10, "
        "and none"
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "PA"])
def test_every_mode_is_converted_by_the_same_rule(tmp_path, mode):
    (tmp_path / "one").mkdir()
    pixels = np.kron([[0, 255], [255, 0]], np.ones((4, 4))).astype("uint8")
    image = Image.fromarray(pixels).convert("P" if mode == "PA" else mode).convert(mode)
    image.save(
        tmp_path / "one" / "a", "PNG" if mode in ("1", "L", "LA", "P", "RGB", "RGBA") else "TIFF"
    )
    images, _, _ = read(tmp_path, (8, 8, 3))
    assert (images[0] == pixels[..., None]).all()


def test_links_to_files_are_followed_and_links_that_lead_nowhere_or_round_are_not(folder):
    (folder / "dark" / "link.png").symlink_to(folder / "light" / "c.png")
    (folder / "dark" / "round").symlink_to(folder)
    images, labels, _ = read(folder, (8, 8, 3))
    assert labels.tolist() == [0, 0, 0, 1]
    (folder / "dark" / "nowhere.png").symlink_to(folder / "missing.png")
    with pytest.raises(ValueError, match=r"No such file.*nowhere\.png"):
        read(folder, (8, 8, 3))


def test_odd_names_can_be_printed(tmp_path):
    (tmp_path / "ein\nbild").mkdir()
    odd = os.fsencode(tmp_path / "ein\nbild") + b"/\xff\x1b[31m.png"
    with open(odd, "wb") as file:
        file.write(_encoded(_noise(), "PNG"))
    splits = data.image_folder(tmp_path, (8, 8, 3), validation_every=None)
    assert splits.class_names == (r"ein\nbild",)
    with open(odd, "wb") as file:
        file.write(b"no image")
    with pytest.raises(ValueError) as caught:
        data.image_folder(tmp_path, (8, 8, 3))
    lines = str(caught.value).splitlines()
    assert all(map(str.isprintable, lines)) and r"ein\nbild/\udcff\x1b[31m.png" in lines[1]


def test_images_are_read_in_sub_folders_of_a_class_too(folder):
    (folder / "dark" / "deep" / "er").mkdir(parents=True)
    shutil.copy(folder / "dark" / "a.png", folder / "dark" / "deep" / "er")
    (folder / "dark" / ".git").mkdir()
    (folder / "dark" / ".git" / "x.png").write_text("hidden")
    assert read(folder, (8, 8, 3))[1].tolist() == [0, 0, 0, 1]
