"""`md4keras app FOLDER`: opens the app on the models in a folder."""

import argparse
import importlib.util
import os
import runpy
import sys
from pathlib import Path

from md4keras.cli.programs import folder_of

_EXAMPLE = """\
example:
  md4keras app runs/demo
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "app",
        help="open the app in the browser",
        description="Opens the app in the browser, on the models in a folder.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("runs"),
        help="where models are saved; the app takes them from nowhere else (default: runs); where "
        "it has none, the presets that ship are shown",
    )
    parser.add_argument(
        "--port", type=int, default=8501, help="of the local server (default: 8501)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serves the app on `localhost` until it is stopped: this process becomes Streamlit's."""
    folder, port = options.folder, options.port
    if folder.is_file():
        raise ValueError(
            f"Models are looked for in a folder. Received: folder='{folder}', a file. Name the "
            "folder that holds the models."
        )
    if not 1 <= port <= 65_535:
        raise ValueError(
            f"The app cannot be served there. Expected a port from 1 to 65535. Received: "
            f"port={port}. Leave it out for 8501."
        )
    if importlib.util.find_spec("streamlit") is None:
        raise ImportError('The app needs Streamlit: pip install "md4keras[app]"')
    # All other options are in `.streamlit/config.toml` beside the app's first page.
    flags = ["--server.address=localhost", f"--server.port={port}"]
    become("streamlit", ["run", *flags, str(folder_of("app") / "Home.py"), "--", str(folder)])
    return 0


def become(module: str, arguments: list[str]) -> None:
    """Goes on as `python -m module`: what this program imported is gone, and no parent stays."""
    if os.name == "nt":  # there `exec` would start a second process
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    sys.stdout.flush()
    sys.stderr.flush()
    # Not from the folder that the user stands in (-P): a checkout of md4keras, for instance.
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])
