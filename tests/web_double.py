"""A server on this machine for tests: files by HTTP with ranges, and the Hugging Face hub's list.

Its faults are those that networks have: it ends an answer early, answers with an error, says
nothing, or sends other bytes.
"""

import contextlib
import hashlib
import json
import time

from tests import local_server


class Web:
    """What the server has, and what was asked of it.

    Attributes:
        files: dictionary of paths, such as `"/file"`, and their bytes.
        asked: list of pairs: the path of a request, and its range or `None`.
        cut: list of ints; each next answer to a file ends after so many bytes.
        status: int, the answer to all requests, if it is not 200.
        silent: float, seconds before an answer.
        ranges: bool, whether ranges are served.
    """

    def __init__(self):
        self.files, self.asked, self.cut = {}, [], []
        self.status, self.silent, self.ranges, self.url = 200, 0.0, True, ""

    def add_dataset(self, repository: str, files: dict[str, bytes], commit: str = "c0ffee") -> None:
        """Adds a data set of the hub: its list of files, and the files."""
        listed = [
            {
                "rfilename": name,
                "size": len(content),
                "lfs": {
                    "sha256": _checksum(content),
                    "size": len(content),
                    "pointerSize": 99,
                },
            }
            for name, content in files.items()
        ]
        info = {"id": repository, "sha": commit, "siblings": listed, "tags": [], "private": False}
        self.files[f"/api/datasets/{repository}"] = json.dumps(info).encode()
        for name, content in files.items():
            self.files[f"/datasets/{repository}/resolve/{commit}/{name}"] = content

    def add_model(self, repository: str, files: dict[str, bytes], commit: str = "c0ffee00" * 5):
        """Adds a model of the hub: its list of files, and the files."""
        listed = [
            {"type": "file", "path": name, "size": len(content), "oid": _checksum(content)[:40]}
            for name, content in files.items()
        ]
        info = {"id": repository, "sha": commit, "siblings": [], "tags": [], "private": False}
        self.files[f"/api/models/{repository}"] = json.dumps(info).encode()
        self.files[f"/api/models/{repository}/tree/{commit}"] = json.dumps(listed).encode()
        for name, content in files.items():
            self.files[f"/{repository}/resolve/{commit}/{name}"] = content


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def served():
    """A `Web` while its server runs."""
    web = Web()

    class Handler(local_server.Handler):
        def do_GET(self):
            path, wanted = self.path.split("?")[0], self.headers["Range"]
            web.asked.append((path, wanted))
            time.sleep(web.silent)
            path = path.split("/revision/")[0]
            content = web.files.get(path)
            if web.status != 200 or content is None:
                self.send_error(404 if web.status == 200 else web.status)
                return
            start = int(wanted.split("=")[1].rstrip("-")) if wanted and web.ranges else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content) - start))
            if "/resolve/" in path:
                self.send_header("ETag", f'"{_checksum(content)[:40]}"')
                self.send_header("X-Repo-Commit", path.split("/resolve/")[1].split("/")[0])
            self.end_headers()
            if self.command == "HEAD":
                return
            cut = web.cut.pop(0) if web.cut and not path.startswith("/api/") else len(content)
            self.wfile.write(content[start : start + cut])

        do_HEAD = do_GET

    with local_server.serving(Handler) as web.url:
        yield web
