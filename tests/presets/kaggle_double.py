"""Kaggle on this machine, for its real client: one model, file by file."""

import contextlib
import json

from tests import local_server


class Kaggle:
    """What the server has, and what was asked of it.

    Attributes:
        files: dictionary of the model's files: names and bytes.
        asked: list of the names of files that were asked for.
        close: function that ends the server.
    """

    def __init__(self):
        self.files, self.asked, self.close = {}, [], None

    def answer(self, method: str, order: dict):
        """The bytes or the JSON value of an answer; `None` where there is nothing."""
        if method == "GetModelInstance":
            return {"versionNumber": 3, "slug": order["instanceSlug"]}
        if method != "DownloadModelInstanceVersion":
            return None
        self.asked.append(order["path"])
        return self.files.get(order["path"])


@contextlib.contextmanager
def used(monkeypatch, folder):
    """A `Kaggle` that the client of this process takes for the real one.

    Args:
        monkeypatch: pytest's.
        folder: path of a folder for what is downloaded.
    """
    from kagglesdk import kaggle_env

    kaggle = Kaggle()

    class Handler(local_server.Handler):
        def do_POST(self):
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = kaggle.answer(self.path.rpartition("/")[2], order)
            is_file = isinstance(found, bytes)
            content = found if is_file else json.dumps(found or {"message": "none"}).encode()
            self.send_response(404 if found is None else 200)
            form = "octet-stream" if is_file else "json"
            self.send_header("Content-Type", f"application/{form}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = contextlib.ExitStack()
    kaggle.close = server.close
    url = server.enter_context(local_server.serving(Handler))
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, url)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(folder / "cache"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(folder / "none"))  # nobody is logged in
    monkeypatch.setenv("HOME", str(folder))
    # It reads the sources of all that calls it, of pytest's too, for each request.
    monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "a test")
    with server:
        yield kaggle
