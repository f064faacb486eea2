import importlib.resources
import os

import numpy as np
import pytest

from md4keras import data, tokenizers

pytestmark = pytest.mark.one_backend


def read(path, **limits):
    """A text as a whole."""
    splits = data.text_files(path, validation_fraction=None, **limits)
    assert splits.validation is splits.test is None
    return splits.training


def test_the_shipped_text_is_always_the_same():
    splits = data.pydoc()
    text = splits.training + splits.validation
    assert len(text) == 386_903 and len(splits.validation) == 38_690
    assert set(text) == set(tokenizers.TEXT8_ALPHABET)
    assert tokenizers.normalise_text8(text) == text
    assert text.startswith("the assert statement assert statements are a convenient way")


def test_its_licence_is_shipped_with_it():
    licence = importlib.resources.files("md4keras.data") / "pydoc_LICENSE.txt"
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in licence.read_text()


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5])
def test_a_split_loses_and_repeats_nothing(fraction):
    tokens = np.arange(1003)
    training, validation = data.split_text(tokens, fraction)
    np.testing.assert_array_equal(np.concatenate([training, validation]), tokens)
    assert len(validation) == int(1003 * fraction)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 0.0001])
def test_a_split_with_an_empty_side_is_refused(fraction):
    with pytest.raises(ValueError, match=f"validation_fraction={fraction}"):
        data.split_text(np.arange(100), fraction)


def test_a_file_is_read_as_it_is(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_bytes("\ufeffEin Töpfchen\r\nund mehr".encode())
    assert read(file) == read(str(file)) == "Ein Töpfchen\nund mehr"


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.txt").write_text("second")
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "c.txt").write_text("third")
    (tmp_path / "no.jpg").write_bytes(b"\xff\xd8")
    assert read(tmp_path) == "first\nsecond\nthird"


def test_what_is_no_text_is_named(tmp_path):
    cases = {
        "missing.txt": None,
        "empty.txt": b"",
        "blank.txt": b" \n ",
        "latin.txt": b"caf\xe9 au lait",
        "binary.txt": b"abc\0def",
    }
    for name, content in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"Received: path=.*{name}"):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="0xe9 at position 3"):
        read(tmp_path / "latin.txt")


def test_a_damaged_file_in_a_folder_is_named(tmp_path):
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "worse.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"worse\.txt"):
        read(tmp_path)


def test_a_folder_without_text_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`\*\.txt`.*Received: path="):
        read(tmp_path)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match=r"pipe\.txt"):
        read(tmp_path / "pipe.txt")


def test_a_file_without_read_permission_is_named(tmp_path, monkeypatch):
    file = tmp_path / "secret.txt"
    file.write_text("hidden")

    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ValueError, match=r"Permission denied.*secret\.txt"):
        read(file)


def test_less_text_than_needed_is_refused(tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("x" * 440)
    assert len(read(file, min_characters=440)) == 440
    with pytest.raises(ValueError, match=r"at least 1280 char.*short\.txt' of 440 characters"):
        read(file, min_characters=1280)


def test_more_text_than_allowed_is_refused(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x" * 60)
    assert len(read(tmp_path, max_bytes=120)) == 121
    with pytest.raises(ValueError, match=r"b\.txt' of 60 bytes, 40 bytes left"):
        read(tmp_path, max_bytes=100)
