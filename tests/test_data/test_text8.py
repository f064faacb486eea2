import hashlib
import zipfile

import pytest

from md4keras import data
from md4keras.data import download
from md4keras.data.sources import text8 as source
from tests.web_double import served

pytestmark = pytest.mark.one_backend

TEXT = b" the quick brown fox " * 500


@pytest.fixture
def server(monkeypatch):
    """A server on this machine that has `/file`."""
    monkeypatch.setattr(download, "_PAUSES", (0, 0))
    with served() as web:
        web.files["/file"] = TEXT
        yield web


@pytest.fixture
def small_text8(monkeypatch):
    """A stand-in of 10,500 characters for the text of 100 million."""
    monkeypatch.setattr(source, "CHARACTERS", len(TEXT))
    monkeypatch.setattr(source, "MD5", hashlib.md5(TEXT).hexdigest())
    monkeypatch.setattr(source, "PARTS", (9000, 9750))


@pytest.fixture
def published(server, small_text8, tmp_path, monkeypatch):
    """The server has the archive of the stand-in, and the cache is empty; returns its file."""
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("text8", TEXT)
    content = server.files["/file"] = (tmp_path / "made.zip").read_bytes()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(source, "URL", f"{server.url}/file")
    monkeypatch.setattr(source, "ZIP_SHA256", hashlib.sha256(content).hexdigest())
    return tmp_path / ".cache" / "md4keras" / "text8.zip"


def test_the_first_call_fetches_and_the_second_does_not(server, published):
    first = data.text8()
    assert published.read_bytes() == server.files["/file"]
    assert list(published.parent.iterdir()) == [published]
    server.files.clear()
    assert data.text8() == first


@pytest.mark.parametrize("end", [b"", b"x", b"more"])
def test_another_file_leaves_nothing_behind(server, published, end):
    server.files["/file"] = server.files["/file"][:-1] + end
    with pytest.raises(ValueError, match="not the published file"):
        data.text8()
    assert not list(published.parent.iterdir())


def test_no_server_is_a_clear_error(published, monkeypatch):
    monkeypatch.setattr(source, "URL", "http://127.0.0.1:9/file")
    with pytest.raises(ValueError, match=r"could not be fetched.*Received: url="):
        data.text8()
    assert not list(published.parent.iterdir())


def test_what_ended_early_is_no_text8_and_the_next_call_goes_on(server, published):
    server.cut = [100, 100]
    with pytest.raises(ValueError, match="ended after 200 of"):
        data.text8()
    assert not published.exists()
    assert data.text8().facts["characters"] == len(TEXT)
    assert server.asked[-1][1] == "bytes=200-"


def test_it_is_prepared_once_in_a_folder(server, published, tmp_path):
    said = []
    for _ in range(2):
        path = data.preparation.prepare("text8", tmp_path / "out", say=said.append)
    assert path.read_bytes() == TEXT and list(path.parent.iterdir()) == [path]
    assert "prepared already" in said[-1] and len(server.asked) == 1
    assert data.text8(tmp_path / "out")[0] == TEXT[:9000].decode()
    path.write_bytes(TEXT[:-1])
    with pytest.raises(ValueError, match="This is not text8"):
        data.preparation.prepare("text8", tmp_path / "out")
    other = data.preparation.prepare("text8", tmp_path / "two", source=tmp_path / "made.zip")
    assert other.read_bytes() == TEXT and len(server.asked) == 1


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("by_folder", [False, True])
def test_a_local_copy_is_read_packed_or_not(tmp_path, small_text8, packed, by_folder):
    file = tmp_path / ("text8.zip" if packed else "text8")
    if packed:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("text8", TEXT)
    else:
        file.write_bytes(TEXT)
    splits = data.text8(tmp_path if by_folder else file)
    assert list(map(len, splits[:3])) == [9000, 750, len(TEXT) - 9750]
    assert "".join(splits[:3]).encode() == TEXT


def test_other_text_is_not_taken_for_text8(tmp_path, small_text8):
    cases = {"short": TEXT[:-1], "changed": TEXT[:-1] + b"z", "long": TEXT * 3}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"This is not text8.*Received: path=.*{name}"):
            data.text8(tmp_path / name)


def test_an_archive_that_unpacks_to_more_than_text8_is_not_unpacked(tmp_path, small_text8):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text8", b" " * 10**7)
    with pytest.raises(ValueError, match=f"with {len(TEXT) + 1} bytes"):
        data.text8(tmp_path / "bomb.zip")


def test_damaged_and_missing_copies_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("something", b"else")
    for name in ("other.zip", "missing.zip"):
        with pytest.raises(ValueError, match=f"Received: path=.*{name}"):
            data.text8(tmp_path / name)
