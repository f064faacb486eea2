import hashlib
import http.server
import threading
import zipfile

import pytest

from md4keras.data import downloads

pytestmark = pytest.mark.one_backend

TEXT = b" the quick brown fox " * 500


@pytest.fixture
def server():
    """A server on this machine that answers with `server.content`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
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
    monkeypatch.setattr(downloads, "TEXT8_CHARACTERS", len(TEXT))
    monkeypatch.setattr(downloads, "TEXT8_MD5", hashlib.md5(TEXT).hexdigest())


def test_a_file_arrives_whole(server, tmp_path, capsys):
    path = tmp_path / "new" / "file"
    sha256 = hashlib.sha256(TEXT).hexdigest()
    assert downloads.download(server.url, path, len(TEXT), sha256) == path
    assert path.read_bytes() == TEXT and list(path.parent.iterdir()) == [path]
    assert f"{len(TEXT)}/{len(TEXT)}" in capsys.readouterr().out


@pytest.mark.parametrize("content", [TEXT[:-1], TEXT + b"more" * 10**6, TEXT[:-1] + b"x"])
def test_another_file_leaves_nothing_behind(server, tmp_path, content):
    server.content = content
    with pytest.raises(ValueError, match="Another file came"):
        downloads.download(
            server.url, tmp_path / "file", len(TEXT), hashlib.sha256(TEXT).hexdigest()
        )
    assert not list(tmp_path.iterdir())


def test_no_server_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match=r"could not be fetched.*Received: url="):
        downloads.download("http://127.0.0.1:9/file", tmp_path / "file", 1, "0", timeout=5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("by_folder", [False, True])
def test_a_local_copy_is_read_packed_or_not(tmp_path, small_text8, packed, by_folder):
    file = tmp_path / ("text8.zip" if packed else "text8")
    if packed:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("text8", TEXT)
    else:
        file.write_bytes(TEXT)
    training, validation, test = downloads.text8(tmp_path if by_folder else file)
    assert (training + validation + test).encode() == TEXT


def test_the_first_call_fetches_and_the_second_does_not(server, tmp_path, small_text8, monkeypatch):
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("text8", TEXT)
    server.content = (tmp_path / "made.zip").read_bytes()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "TEXT8_URL", server.url)
    monkeypatch.setattr(downloads, "TEXT8_ZIP_BYTES", len(server.content))
    sha256 = hashlib.sha256(server.content).hexdigest()
    monkeypatch.setattr(downloads, "TEXT8_ZIP_SHA256", sha256)
    first = downloads.text8()
    server.content = b"gone"
    assert downloads.text8() == first


def test_other_text_is_not_taken_for_text8(tmp_path, small_text8):
    cases = {"short": TEXT[:-1], "changed": TEXT[:-1] + b"z", "long": TEXT * 3}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"This is not text8.*Received: path=.*{name}"):
            downloads.text8(tmp_path / name)


def test_an_archive_that_unpacks_to_more_than_text8_is_not_unpacked(tmp_path, small_text8):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text8", b" " * 10**7)
    with pytest.raises(ValueError, match=f"with {len(TEXT) + 1} bytes"):
        downloads.text8(tmp_path / "bomb.zip")


def test_damaged_and_missing_copies_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("something", b"else")
    for name in ("other.zip", "missing.zip"):
        with pytest.raises(ValueError, match=f"Received: path=.*{name}"):
            downloads.text8(tmp_path / name)
