"""Downloads under every fault: whole and checked, or not there, and the next one goes on."""

import errno
import hashlib
import http.client
import ssl

import numpy as np
import pytest

from md4keras.data import download as module
from md4keras.data.download import download
from tests.web_double import served

pytestmark = pytest.mark.one_backend

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr(module, "_PAUSES", (0, 0, 0))
    with served() as web:
        web.files["/file"] = CONTENT
        yield web


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "file"


def test_a_file_is_fetched_once(web, path):
    assert download(f"{web.url}/file", path, SUM, len(CONTENT)) == path
    assert path.read_bytes() == CONTENT and list(path.parent.iterdir()) == [path]
    download("http://127.0.0.1:9/nowhere", path)
    assert len(web.asked) == 1


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("checksum", [None, SUM])
def test_what_ends_early_goes_on_where_it_ended(web, path, checksum, size):
    web.cut = [1_000_000, 1_500_000]
    download(f"{web.url}/file", path, checksum, size)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in web.asked] == [None, "bytes=1000000-", "bytes=2500000-"]


def test_what_ends_early_every_time_is_told_and_the_next_call_goes_on(web, path):
    web.cut = [10, 20, 30]
    with pytest.raises(ValueError, match="ended after 60 of 3000000 bytes.*60 bytes so far"):
        download(f"{web.url}/file", path, SUM)
    assert not path.exists()
    download(f"{web.url}/file", path, SUM)
    assert path.read_bytes() == CONTENT and web.asked[-1][1] == "bytes=60-"


def test_what_was_stopped_at_the_very_end_is_not_fetched_anew(web, path):
    path.parent.mkdir()
    path.with_name("file.partial").write_bytes(CONTENT)
    download(f"{web.url}/file", path, SUM, len(CONTENT))
    assert path.read_bytes() == CONTENT and not web.asked


def test_a_server_without_ranges_sends_it_anew(web, path):
    web.cut, web.ranges = [1_000_000], False
    download(f"{web.url}/file", path, SUM)
    assert path.read_bytes() == CONTENT


def test_another_file_is_removed_and_told(web, path):
    web.files["/file"] = CONTENT[:-1] + b"?"
    with pytest.raises(ValueError, match="not the published file.*Expected SHA-256 " + SUM):
        download(f"{web.url}/file", path, SUM)
    assert not list(path.parent.iterdir())
    web.files["/file"] = CONTENT[:-5]
    with pytest.raises(ValueError, match="ended after 2999995 of 3000000|not the published"):
        download(f"{web.url}/file", path, SUM, len(CONTENT))
    web.files["/file"] = CONTENT
    assert download(f"{web.url}/file", path, SUM).read_bytes() == CONTENT


def test_a_partial_file_of_another_version_does_not_stand_in_the_way(web, path):
    path.parent.mkdir()
    path.with_name("file.partial").write_bytes(b"x" * (len(CONTENT) + 5))
    download(f"{web.url}/file", path, SUM)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("status, attempts", [(404, 1), (403, 1), (500, 3), (503, 3), (429, 3)])
def test_errors_of_the_server_are_told(web, path, status, attempts):
    web.status = status
    with pytest.raises(ValueError, match=f"could not be fetched: the server answers {status}"):
        download(f"{web.url}/file", path)
    assert len(web.asked) == attempts


def test_no_server_and_a_silent_one_are_told(web, path, monkeypatch):
    with pytest.raises(ValueError, match="Connection refused.*Run it again"):
        download("http://127.0.0.1:9/file", path)
    monkeypatch.setattr(module, "_SECONDS", 0.1)
    web.silent = 0.5
    with pytest.raises(ValueError, match="could not be fetched: (timed out|no data came)"):
        download(f"{web.url}/file", path)


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENETDOWN, "Network is down"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
        ConnectionResetError(104, "Connection reset by peer"),
        TimeoutError("timed out"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_network_that_fails_on_the_way_is_tried_again_and_told(web, path, monkeypatch, fault):
    real, left = http.client.HTTPResponse.read, [2]

    def read(self, amount=None):
        if amount is not None and left[0]:
            left[0] -= 1
            raise fault
        return real(self, amount)

    monkeypatch.setattr(http.client.HTTPResponse, "read", read)
    download(f"{web.url}/file", path, SUM)
    assert path.read_bytes() == CONTENT
    path.unlink()
    left[0] = 100
    with pytest.raises(ValueError, match="file could not be fetched: .*Run it again"):
        download(f"{web.url}/file", path, SUM)


def test_a_full_disk_is_told_as_such(web, path, monkeypatch):
    class Full:
        def __init__(self, *arguments):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def write(self, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "open", Full, raising=False)
    with pytest.raises(OSError, match="No space left on device"):
        download(f"{web.url}/file", path)


def test_headers_are_sent_to_this_server(web, path):
    download(f"{web.url}/file", path, SUM, headers={"authorization": "Bearer x"})
    assert path.read_bytes() == CONTENT
