"""The Hugging Face hub on this machine, for its real client: repositories, commits, downloads."""

import base64
import contextlib
import hashlib
import json
import re
import urllib.parse

from tests import local_server


class Hub:
    """What the hub has, and what was asked of it.

    Attributes:
        repositories: dictionary of names, such as `"me/digits"`, and their files: names and bytes.
        sizes: dictionary of names of files and sizes that the hub lies about.
        asked: list of strings, `"GET /path"`.
        url: str.
    """

    def __init__(self):
        self.repositories, self.sizes, self.asked, self.url = {}, {}, [], ""

    def commit(self, name: str) -> str:
        """The identity of a repository's present content."""
        content = repr(sorted(self.repositories[name].items())).encode()
        return hashlib.sha1(content).hexdigest()

    def tree(self, name: str) -> list[dict]:
        """The list of a repository's files, as the hub tells it."""
        return [
            {
                "type": "file",
                "path": path,
                "size": self.sizes.get(path, len(content)),
                "oid": hashlib.sha1(content).hexdigest(),
            }
            for path, content in self.repositories[name].items()
        ]

    def answer(self, method: str, path: str, body: bytes):
        """The JSON value or bytes of an answer, and its headers; `None` where there is nothing."""
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(part for part in (asked.get("organization"), asked["name"]) if part)
            self.repositories.setdefault(name, {})
            return {"url": f"{self.url}/{name}", "name": name}, {}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}, {}
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w+)/([\w.-]+))?", path)
        if found and found[1] in self.repositories:
            return self._of_repository(*found.groups(), body)
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        content = self.repositories.get(found[1], {}).get(found[3]) if found else None
        if content is None:
            return None
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        return content, {"X-Repo-Commit": self.commit(found[1]), "ETag": etag}

    def _of_repository(self, name: str, action, revision, body: bytes):
        if action == "tree":
            return self.tree(name), {}
        if action == "preupload":
            files = json.loads(body)["files"]
            told = {"uploadMode": "regular", "shouldIgnore": False}
            return {"files": [{"path": file["path"], **told} for file in files]}, {}
        if action == "commit":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.repositories[name][value["path"]] = base64.b64decode(value["content"])
            url = f"{self.url}/{name}/commit/{self.commit(name)}"
            return {"success": True, "commitOid": self.commit(name), "commitUrl": url}, {}
        siblings = [
            {"rfilename": file["path"], "size": file["size"], "blobId": file["oid"]}
            for file in self.tree(name)
        ]
        return {"id": name, "sha": self.commit(name), "siblings": siblings, "tags": []}, {}


@contextlib.contextmanager
def served():
    """A `Hub` while its server runs."""
    hub = Hub()

    class Handler(local_server.Handler):
        def respond(self):
            path = urllib.parse.unquote(self.path.split("?")[0])
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            hub.asked.append(f"{self.command} {path}")
            found = hub.answer(self.command, path, body)
            content, headers = (b"", {"X-Error-Code": "EntryNotFound"}) if found is None else found
            if found is None and "/resolve/" not in path:
                headers = {"X-Error-Code": "RepoNotFound"}
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(404 if found is None else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = respond

    with local_server.serving(Handler) as hub.url:
        yield hub


@contextlib.contextmanager
def used(monkeypatch, cache):
    """A `Hub` that the client of this process takes for the real one.

    Args:
        monkeypatch: pytest's.
        cache: path of a folder for what is downloaded.
    """
    from huggingface_hub import constants, hf_api

    with served() as hub:
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
        yield hub
