import hashlib
import http.server
import socket
import threading
import time
import zipfile

import pytest

from md4keras import data
from md4keras.data.sources import text8 as source

pytestmark = pytest.mark.one_backend

TEXT = b" the quick brown fox " * 500


@pytest.fixture
def server():
    """A server on this machine that answers with `server.content`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.server.content)))
            self.end_headers()
            self.wfile.write(self.server.content)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content = TEXT
        server.url = f"http://127.0.0.1:{server.server_address[1]}/file"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


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
    server.content = (tmp_path / "made.zip").read_bytes()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(source, "URL", server.url)
    monkeypatch.setattr(source, "ZIP_SHA256", hashlib.sha256(server.content).hexdigest())
    return tmp_path / ".cache" / "md4keras" / "text8.zip"


def test_the_first_call_fetches_and_the_second_does_not(server, published, capsys):
    first, content = data.text8(), server.content
    assert published.read_bytes() == content and list(published.parent.iterdir()) == [published]
    assert f"{len(content)}/{len(content)}" in capsys.readouterr().out
    server.content = b"gone"
    assert data.text8() == first


@pytest.mark.parametrize("end", [b"", b"x", b"more"])
def test_another_file_leaves_nothing_behind(server, published, end):
    server.content = server.content[:-1] + end
    with pytest.raises(ValueError, match="could not be fetched.*hash"):
        data.text8()
    assert not list(published.parent.iterdir())


def test_no_server_is_a_clear_error(published, monkeypatch):
    monkeypatch.setattr(source, "URL", "http://127.0.0.1:9/file")
    with pytest.raises(ValueError, match=r"could not be fetched.*Received: url="):
        data.text8()
    assert not list(published.parent.iterdir())


def test_a_killed_download_leaves_no_file_in_its_place(server, published, monkeypatch):
    """Where Keras writes meanwhile is another file's place: it has no time to clean up."""
    seen = []

    def kill(name, *args, cache_dir, **kwargs):
        seen.append((cache_dir / name).parent == published.parent and name != published.name)
        raise KeyboardInterrupt

    monkeypatch.setattr("keras.utils.get_file", kill)
    with pytest.raises(KeyboardInterrupt):
        data.text8()
    assert seen == [True] and not published.exists()


def test_a_server_that_says_nothing_is_given_up(server, published, monkeypatch):
    monkeypatch.setattr(source, "_SECONDS", 0.2)
    monkeypatch.setattr(server.RequestHandlerClass, "do_GET", lambda self: time.sleep(1))
    with pytest.raises(ValueError, match="timed out"):
        data.text8()
    assert socket.getdefaulttimeout() is None


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
