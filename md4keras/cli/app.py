"""`md4keras app FOLDER`: opens the app on the models in a folder."""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser("app", help="open the app in the browser")
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("runs"),
        help="where models are saved; the app takes them from nowhere else (default: runs)",
    )
    parser.add_argument(
        "--port", type=int, default=8501, help="of the local server (default: 8501)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serves the app on `localhost` until it is stopped; returns the exit status."""
    folder, port = options.folder, options.port
    if folder.is_file():
        raise ValueError(
            f"Models are looked for in a folder. Received: folder='{folder}', a file. Name the "
            "folder that holds the models."
        )
    if importlib.util.find_spec("streamlit") is None:
        raise ImportError('The app needs Streamlit: pip install "md4keras[app]"')
    server = {
        "server.address": "localhost",
        "server.port": str(port),
        "server.maxUploadSize": "10",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
    }
    flags = [f"--{name}={value}" for name, value in server.items()]
    # Not from the folder that the user stands in (-P): a checkout of md4keras, for instance.
    command = [sys.executable, "-P", "-m", "streamlit", "run", *flags]
    command += [str(_home()), "--", str(folder)]
    environment = {"KERAS_BACKEND": "jax", **os.environ}
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:  # the way to stop it
        return 0


def _home() -> Path:
    """The app's first page: in this package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "app" / "Home.py"
    return installed if installed.is_file() else package.parent / "app" / "Home.py"
