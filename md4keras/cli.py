"""The command `md4keras`: `md4keras app FOLDER` opens the app on the saved models in a folder."""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="md4keras", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    app = verbs.add_parser("app", help="open the app in the browser")
    app.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("runs"),
        help="where models are saved; the app takes them from nowhere else (default: runs)",
    )
    app.add_argument("--port", type=int, default=8501, help="of the local server (default: 8501)")
    options = parser.parse_args(arguments)
    try:
        return run_app(options.folder, options.port)
    except (ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def run_app(folder: Path, port: int = 8501) -> int:
    """Serves the app on `localhost` until it is stopped.

    Args:
        folder: where models are looked for; it need not exist yet.
        port: int, of the server.

    Raises:
        ValueError: if the folder is a file.
        ImportError: if Streamlit, or the app itself, is not installed.
    """
    if folder.is_file():
        raise ValueError(
            f"Models are looked for in a folder. Received: folder='{folder}', a file. Name the "
            "folder that holds the saved models."
        )
    if importlib.util.find_spec("streamlit") is None:
        raise ImportError('The app needs Streamlit: pip install "md4keras[app]"')
    found = importlib.util.find_spec("app")
    home = Path(found.origin).with_name("Home.py") if found and found.origin else None
    if home is None or not home.is_file():
        raise ImportError("The app is not installed. Run this from a checkout of md4keras.")
    options = {
        "server.address": "localhost",
        "server.port": str(port),
        "server.maxUploadSize": "10",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "streamlit", "run", *flags, str(home), "--", str(folder)]
    environment = {"KERAS_BACKEND": "jax", **os.environ}
    return subprocess.run(command, env=environment, check=False).returncode
