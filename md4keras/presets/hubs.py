"""Presets from hubs: the files of a saved model, and no others, by each hub's own library."""

import logging
import re
import sys
from pathlib import Path

from md4keras.files import import_optional, one_line
from md4keras.presets.layout import CONFIG, FILES, METADATA, MOST_BYTES, WEIGHTS

_HANDLE = re.compile(r"([a-z]+)://(.+)")
_NEEDED = (METADATA, CONFIG, WEIGHTS)
SHAPES = {
    "hf": (r"[\w.-]+/[\w.-]+(@[\w./-]+)?", "hf://owner/name, or hf://owner/name@revision"),
    "kaggle": (
        r"[\w-]+/[\w-]+/\w+/[\w.-]+(/\d+)?",
        "kaggle://owner/model/keras/variation, or with /version",
    ),
}
"""Of each scheme: a pattern of what follows it in a handle, and how that is told to people."""


def is_handle(name: str) -> bool:
    """Whether a string names something by a scheme: `"hf://owner/name"`."""
    return _HANDLE.fullmatch(name) is not None


def parts_of(handle: str, shapes: dict = SHAPES) -> tuple[str, str]:
    """The scheme of a handle, and the rest of it.

    Args:
        handle: str.
        shapes: dictionary, as `SHAPES`.

    Raises:
        ValueError: for an unknown scheme, or another shape.
    """
    found = _HANDLE.fullmatch(handle)
    scheme, rest = found.groups() if found else ("", handle)
    pattern, _ = shapes.get(scheme, ("(?!)", ""))
    if not re.fullmatch(pattern, rest) or ".." in rest:
        expected = "; ".join(told for _, told in shapes.values())
        raise ValueError(
            f"This is no handle of a hub. Expected {expected}. Received: {handle!r}. Copy it from "
            "the model's page."
        )
    return scheme, rest


def download(handle: str) -> Path:
    """The folder of a preset in the cache of the hub's library, downloaded if it is not there.

    Args:
        handle: str, as of `find`.

    Raises:
        ValueError: for another handle, if the hub does not give the files, or for a repository
            with no model of this package, or with a file that is too large.
        ImportError: without the hub's library.
    """
    scheme, rest = parts_of(handle)
    return {"hf": _from_hugging_face, "kaggle": _from_kaggle}[scheme](rest, handle)


def _from_hugging_face(rest: str, handle: str) -> Path:
    hub = import_optional("huggingface_hub", "reads hf:// handles")
    repository, _, revision = rest.partition("@")
    wanted = {"repo_id": repository, "allow_patterns": list(FILES), "revision": revision or None}
    try:
        offered = hub.model_info(repository, revision=revision or None, files_metadata=True)
    except Exception as error:  # errors of networks and hubs come as many types
        cached = _cached(hub, wanted)
        if cached is None:
            raise _not_given(handle, error) from error
        return cached
    _check_offered({file.rfilename: file.size or 0 for file in offered.siblings}, handle)
    try:
        return Path(hub.snapshot_download(**wanted))
    except Exception as error:
        raise _not_given(handle, error) from error


def _cached(hub, wanted: dict) -> Path | None:
    """What was downloaded before; `None` where nothing was."""
    try:
        return Path(hub.snapshot_download(**wanted, local_files_only=True))
    except hub.errors.LocalEntryNotFoundError:
        return None


def _from_kaggle(rest: str, handle: str) -> Path:
    hub = import_optional("kagglehub", "reads kaggle:// handles")
    _keep_off_results()
    paths = {}
    for name in (METADATA, *(name for name in FILES if name != METADATA)):
        try:
            paths[name] = Path(hub.model_download(rest, name))
        except Exception as error:  # a file that is not there is told in as many ways
            if name in _NEEDED:
                raise _not_given(handle, error) from error
            continue
        _check_offered({name: paths[name].stat().st_size}, handle, needed=())
    folders = {path.parent for path in paths.values()}
    if len(folders) > 1:  # a version was published between two of the files
        raise _not_given(handle, "its files are of several versions")
    return folders.pop()


def _keep_off_results() -> None:
    """Has Kaggle's library tell of its progress where commands tell of theirs."""
    for handler in logging.getLogger("kagglehub").handlers:
        if getattr(handler, "stream", None) is sys.stdout:
            handler.setStream(sys.stderr)


def _check_offered(sizes: dict[str, int], handle: str, needed=_NEEDED) -> None:
    missing = [name for name in needed if name not in sizes]
    if missing:
        raise ValueError(
            f"The repository holds no model of md4keras: it lacks {missing}. Expected what "
            f"`save_to_preset` writes. Received: {handle!r}. A checkpoint of another program may "
            "be one that `md4keras convert` reads."
        )
    for name, size in sizes.items():
        if name in MOST_BYTES and size > MOST_BYTES[name]:
            raise ValueError(
                f"The repository's '{name}' is too large. Expected at most {MOST_BYTES[name]:,} "
                f"bytes. Received: {size:,} in {handle!r}. Do not load it."
            )


def _not_given(handle: str, why) -> ValueError:
    return ValueError(
        f"The hub does not give this preset ({one_line(why)}). Expected a public model, or one "
        f"that you are logged in for. Received: {handle!r}. Check the name and the network."
    )
